"""How much an edit changed, where it was to and where it was not."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.imaging.sizing import thumbnail
from editor.models.base import Floats
from framesense.media.images import RGB
from framesense.schemas.edits import Change

MAP_SIDE = 1024
"""Longest side of a change map, in pixels."""
SSIM_SIDE = 1024
"""Pictures are shrunk to it before their structures are compared: what differs in a photo of 24 megapixels only is not
seen by people, and takes seconds to compute."""
_FULL_WHITE = 0.1
"""Least difference that is white in a change map: one that changes nearly nothing shall not look like a great one."""


def difference(before: RGB, after: RGB) -> NDArray[np.uint8]:
    """Return the mean absolute difference of the three channels at each pixel, height × width, 0 to 255."""
    red, green, blue = cv2.split(_absolute(before, after))
    total = red.astype(np.uint16) + green + blue
    return ((total + 1) // 3).astype(np.uint8)


def measure(before: RGB, after: RGB, weights: Floats | None) -> Change:
    """Measure how far a picture differs from the one before.

    Args:
        before, after: two pictures of one size.
        weights: the region that was to change, of the same size; None: everything.
    """
    if weights is None:
        return Change(inside=_mean(_absolute(before, after)), outside=0, region=1)
    changed = _absolute(before, after)
    outside = weights == 0
    return Change(
        inside=_weighted(changed, weights),
        outside=_weighted(changed, outside.astype(np.float32)),
        region=float(weights.mean(dtype=np.float64)),
        ssim_outside=_ssim_outside(before, after, outside),
    )


def change_map(before: RGB, after: RGB) -> bytes:
    """Draw where a picture changed as PNG, 8-bit grey, white where it changed most.

    The map has at most :data:`MAP_SIDE` pixels a side.
    """
    map_ = difference(thumbnail(before, MAP_SIDE), thumbnail(after, MAP_SIDE))
    white = max(255 * _FULL_WHITE, float(np.percentile(map_, 99.5)))
    scaled = np.minimum(255, map_ * (255 / white)).astype(np.uint8)
    _, encoded = cv2.imencode(".png", scaled, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return encoded.tobytes()


def ssim_map(before: RGB, after: RGB) -> Floats:
    """Return the structural similarity of two pictures' brightness around every pixel, height × width, −1 to 1.

    Wang, Bovik, Sheikh and Simoncelli, Image quality assessment: from error visibility to structural similarity, 2004:
    a Gaussian window of sigma 1.5 and 11 × 11 pixels, K₁ = 0.01, K₂ = 0.03.
    """
    x, y = (cv2.cvtColor(np.ascontiguousarray(p), cv2.COLOR_RGB2GRAY).astype(np.float64) for p in (before, after))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _window(x), _window(y)
    variance_x, variance_y = _window(x * x) - mean_x**2, _window(y * y) - mean_y**2
    covariance = _window(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return np.asarray(similarity, np.float32)


def _window(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT), np.float64)


def _ssim_outside(before: RGB, after: RGB, outside: NDArray[np.bool_]) -> float | None:
    if not outside.any():
        return None
    small_before, small_after = thumbnail(before, SSIM_SIDE), thumbnail(after, SSIM_SIDE)
    share = thumbnail((255 * outside).astype(np.uint8), SSIM_SIDE)
    if not (kept := share == 255).any():
        return None
    similarity = float(ssim_map(small_before, small_after)[kept].mean(dtype=np.float64))
    return min(1.0, max(-1.0, similarity))


def _absolute(before: RGB, after: RGB) -> RGB:
    return np.asarray(cv2.absdiff(np.ascontiguousarray(before), np.ascontiguousarray(after)), np.uint8)


def _mean(changed: NDArray[np.uint8]) -> float:
    return float(changed.mean(dtype=np.float64)) / 255


def _weighted(changed: NDArray[np.uint8], weights: Floats) -> float:
    """Return the weighted mean over pixels and channels, 0 to 1; 0 where no pixel has any weight."""
    total = float(weights.sum(dtype=np.float64))
    if total == 0:
        return 0.0
    whole = weights == 1
    weighted = sum(cv2.mean(changed, whole.astype(np.uint8))) / 3 * np.count_nonzero(whole)
    # Only the feathered edge needs products: as floats, those of a whole large photo would be larger than itself.
    edge = (weights > 0) & ~whole
    weighted += float((changed[edge].mean(axis=1) * weights[edge]).sum(dtype=np.float64))
    return min(1.0, weighted / total / 255)
