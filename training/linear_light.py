"""Operations on a photo's linear light: exposure, casts, saturation, contrast.

Photos are H×W×3 float32 arrays; linear light is sRGB with its curve undone (IEC 61966-2-1), where lights add up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Of linear sRGB (ITU-R BT.709)."""


def to_linear(srgb: Floats) -> Floats:
    """Turn sRGB values into linear light, both 0…1 (IEC 61966-2-1)."""
    linear: Floats = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)
    return linear


def to_srgb(linear: Floats) -> Floats:
    """Turn linear light into sRGB values, both 0…1; what is outside is clipped."""
    linear = np.clip(linear, 0, 1)
    srgb: Floats = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)
    return srgb


def luminance(linear: Floats) -> Floats:
    """Compute the luminance of a photo: H×W×3 → H×W×1."""
    return (linear @ LUMINANCE)[..., None]


def expose(linear: Floats, level: float, *, up: bool = True, down: bool = True) -> Floats:
    """Bring a photo to a mean luminance (as an sRGB value) by a gain; highlights roll off rather than burn out.

    ``up`` and ``down``: may it become brighter, darker?
    """

    def render(gain: float) -> Floats:
        bright = linear * gain
        top = np.maximum(luminance(bright), 1e-5)
        rolled = np.where(top > 0.7, 0.7 + 0.3 * np.tanh((top - 0.7) / 0.6), top)
        scaled: Floats = (bright * (rolled / top)).astype(np.float32)
        return scaled

    low, high = (0.01 if down else 1.0), (12.0 if up else 1.0)
    for _ in range(12):
        middle = (low * high) ** 0.5
        if float(to_srgb(luminance(render(middle))).mean()) < level:
            low = middle
        else:
            high = middle
    return render((low * high) ** 0.5)


def cast(linear: Floats, tint: Sequence[float], amount: float) -> Floats:
    """Bring a photo's mean colour towards ``tint`` (red, green, blue; of any scale), and keep its luminance.

    ``amount``: 0 leaves the photo, 1 gives its mean exactly that colour.
    """
    mean = linear.reshape(-1, 3).mean(axis=0) + 0.02
    wanted = np.array(tint, np.float32)
    wanted = wanted * float(mean @ LUMINANCE) / float(wanted @ LUMINANCE)
    tinted = linear * (wanted / mean) ** np.float32(amount)
    kept: Floats = tinted * float(luminance(linear).mean() + 1e-4) / float(luminance(tinted).mean() + 1e-4)
    return kept


def saturate(linear: Floats, factor: float) -> Floats:
    """Change how colourful a photo is. 0: black and white, 1: as it is, 2: twice as colourful."""
    grey = luminance(linear)
    result: Floats = np.maximum(grey + (linear - grey) * np.float32(factor), 0)
    return result


def contrast(linear: Floats, factor: float) -> Floats:
    """Change the contrast around a photo's mean, in sRGB values."""
    srgb = to_srgb(linear)
    middle = srgb.mean()
    return to_linear(np.clip(middle + (srgb - middle) * np.float32(factor), 0, 1).astype(np.float32))


def from_top(linear: Floats, top: float, bottom: float) -> Floats:
    """Return a weight that goes from ``top`` to ``bottom``: H×1×1."""
    return np.linspace(top, bottom, linear.shape[0], dtype=np.float32)[:, None, None]
