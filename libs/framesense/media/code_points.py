"""Colours by their coding-independent code points (ITU-T H.273), as PNG's cICP chunk has them, to sRGB.

Pictures of high dynamic range are tone mapped as video is (:mod:`framesense.media.high_dynamic_range`). Of the others
the light is taken from their primaries to those of sRGB, and what lies outside is clipped, as by a colour profile. The
curves of BT.709 and BT.601 count as sRGB's, as they do for video.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from framesense.media.high_dynamic_range import Light, Transfer, light_of, rolled_off, srgb

D65 = (0.3127, 0.3290)
PRIMARIES: dict[int, tuple[tuple[float, float], ...]] = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    4: ((0.670, 0.330), (0.210, 0.710), (0.140, 0.080), (0.310, 0.316)),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), D65),
}
"""Chromaticities of red, green, blue and white by their numbers in H.273, table 2."""
LIKE_SRGB = frozenset({1, 6, 7, 11, 12, 13, 14, 15})
"""Transfer characteristics that are taken for sRGB's: those of video for screens, and its own (H.273, table 3)."""
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
"""The power of those that are one."""
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""To the responses of cones by which whites are adapted (ICC.1, annex E)."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class CodePoints:
    """The colours of a picture in RGB: the numbers of its ``primaries`` and ``transfer``; ``full_range``: black is 0
    and white all bits, else 16 and 235 of 255.
    """

    primaries: int
    transfer: int
    full_range: bool = True


def read_code_points(png: bytes) -> CodePoints | None:
    """Return what a PNG's cICP chunk says (PNG, third edition, 11.3.2.6); None without one that can be used."""
    at = len(PNG_SIGNATURE) if png.startswith(PNG_SIGNATURE) else len(png)
    while at + 12 <= len(png):
        length, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        if kind == b"IDAT":
            break
        if kind == b"cICP" and length == 4:
            primaries, transfer, matrix, full = png[at + 8 : at + 12]
            transfers = {*LIKE_SRGB, *GAMMAS, *Transfer}
            usable = primaries in PRIMARIES and transfer in transfers and matrix == 0 and full <= 1
            return CodePoints(primaries, transfer, bool(full)) if usable else None
        at += 12 + length
    return None


def conversion_to_srgb(points: CodePoints) -> Callable[[Image.Image], Image.Image]:
    """Return what converts pictures of these colours."""
    to_bt709, high = to_primaries(points.primaries), points.transfer in list(Transfer)
    if points.full_range and points.primaries == 1 and points.transfer in LIKE_SRGB:
        return lambda image: image.convert("RGB")

    def convert(image: Image.Image) -> Image.Image:
        share = np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)
        if not points.full_range:
            share = np.clip((share - np.float32(16 / 255)) * np.float32(255 / 219), 0, 1)
        light = light_of(share, Transfer(points.transfer)) if high else _light(share, points.transfer)
        light = np.maximum(light @ to_bt709.T, 0)
        shown = srgb(rolled_off(light) if high else light)
        return Image.fromarray(np.rint(shown * 255).astype(np.uint8))

    return convert


def to_primaries(source: int, target: int = 1) -> NDArray[np.float32]:
    """Return the matrix from light of one set of primaries to another's, the white of one being that of the other.

    The numbers are those of :data:`PRIMARIES`.
    """
    from_white, to_white = (BRADFORD @ _xyz(*PRIMARIES[number][3]) for number in (source, target))
    adapted = np.linalg.inv(BRADFORD) @ np.diag(to_white / from_white) @ BRADFORD
    return np.asarray(np.linalg.inv(_to_xyz(target)) @ adapted @ _to_xyz(source), dtype=np.float32)


def _light(share: Light, transfer: int) -> Light:
    if transfer in GAMMAS:
        return np.asarray(share ** np.float32(GAMMAS[transfer]), dtype=np.float32)
    curved = ((share + 0.055) / 1.055) ** 2.4
    return np.asarray(np.where(share <= 0.04045, share / 12.92, curved), dtype=np.float32)


def _to_xyz(number: int) -> NDArray[np.float64]:
    """Return the matrix from RGB light to CIE XYZ (SMPTE RP 177)."""
    *colours, white = (_xyz(*chromaticity) for chromaticity in PRIMARIES[number])
    columns = np.stack(colours, axis=1)
    return np.asarray(columns * np.linalg.solve(columns, white), dtype=np.float64)


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    return np.array([x / y, 1.0, (1 - x - y) / y])
