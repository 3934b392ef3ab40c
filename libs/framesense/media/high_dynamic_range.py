"""Pictures of high dynamic range as a screen of standard range shows them: PQ and HLG to sRGB.

The signal is made linear light (SMPTE ST 2084 for PQ, ITU-R BT.2100-2 for HLG), its colours are taken from BT.2020 to
BT.709, and what is brighter than a screen's white is rolled off. Reference white is 203 cd/m² (ITU-R BT.2408-7), so
that people and papers look as in a video of standard range.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Light = NDArray[np.float32]
"""height × width × 3, RGB; 1 is reference white."""


class Transfer(IntEnum):
    """Transfer characteristics of high dynamic range, by their numbers in ITU-T H.273."""

    PQ = 16
    HLG = 18


REFERENCE_WHITE = 203.0
"""cd/m² (ITU-R BT.2408-7)."""
HLG_PEAK = 1000.0
"""cd/m² of the screen for which HLG's gamma is 1.2 (ITU-R BT.2100-2)."""
KNEE = 0.8
"""Share of white from which brightness is rolled off."""
BT2020_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
    dtype=np.float32,
)
"""ITU-R BT.2087-0, annex 1, inverted."""
BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)


def tone_mapped(signal: NDArray[np.uint16], transfer: Transfer, *, wide: bool = True) -> NDArray[np.uint8]:
    """Return a picture for a screen of standard range.

    ``signal``: height × width × 3, RGB over the full range of 16 bits. ``wide``: its colours are those of BT.2020.
    """
    share = signal.astype(np.float32) / np.float32(65535)
    light = light_of(share, transfer)
    if wide:
        light = np.maximum(light @ BT2020_TO_BT709.T, 0)
    return np.asarray(np.rint(srgb(rolled_off(light)) * 255), dtype=np.uint8)


def light_of(share: Light, transfer: Transfer) -> Light:
    """Return the light that a signal from 0 to 1 stands for."""
    return _pq_light(share) if transfer is Transfer.PQ else _hlg_light(share)


def _pq_light(share: Light) -> Light:
    """Apply SMPTE ST 2084's EOTF."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = share ** np.float32(1 / m2)
    nits = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return np.asarray(nits / REFERENCE_WHITE, dtype=np.float32)


def _hlg_light(share: Light) -> Light:
    """Apply the inverse OETF and the OOTF of ITU-R BT.2100-2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(share <= 0.5, share**2 / 3, (np.exp((share - c) / a) + b) / 12)
    luminance = np.maximum(scene @ BT2020_LUMA, 1e-6)[..., None]
    return np.asarray(HLG_PEAK * luminance**0.2 * scene / REFERENCE_WHITE, dtype=np.float32)


def rolled_off(light: Light) -> Light:
    """Bend the brightest channel towards white exponentially from the knee on, and the others with it."""
    brightest = light.max(axis=2, keepdims=True)
    over = np.maximum(brightest - KNEE, 0) / (1 - KNEE)
    bent = np.where(over > 0, KNEE + (1 - KNEE) * -np.expm1(-over), brightest)
    return np.asarray(light * (bent / np.maximum(brightest, 1e-6)), dtype=np.float32)


def srgb(light: Light) -> Light:
    """Apply the transfer function of IEC 61966-2-1, within 0 to 1."""
    curved = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    return np.asarray(np.clip(np.where(light <= 0.0031308, 12.92 * light, curved), 0, 1), dtype=np.float32)
