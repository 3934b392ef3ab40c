"""Prepare photo and mask as A1111 does: cut out the masked part, and fill what is under the mask."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framesense.media.images import RGB
from gateway.a1111.pictures import Mask, resized

Floats = NDArray[np.floating[Any]]

FILL_SIDE = 1024
"""The longest side at which a hole is filled, in pixels."""
LEAST_SIDE = 64
"""Of a part that is edited by itself, in pixels: in less a model sees nothing."""
BLUR_MARGIN = 2
"""How many sigmas of a mask's feather count as belonging to it."""


@dataclass(frozen=True)
class Box:
    """A part of a picture, in pixels; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def cut(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(pixels[self.top : self.bottom, self.left : self.right])

    def paste(self, part: RGB, photo: RGB) -> RGB:
        """Replace this part of a photo; ``part`` is stretched where its size is another."""
        whole = photo.copy()
        whole[self.top : self.bottom, self.left : self.right] = resized(part, self.width, self.height)
        return whole


def masked_box(mask: Mask, *, margin: float, aspect: float, least_side: int = 1) -> Box | None:
    """Return the smallest part around all that is not black and ``margin`` pixels around it, at least ``least_side``
    long each way and widened to ``aspect`` (width / height), both as far as the picture goes. None for a mask that is
    black throughout.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    height, width = mask.shape
    spread = round(margin)
    left, right = max(0, int(columns[0]) - spread), min(width, int(columns[-1]) + 1 + spread)
    top, bottom = max(0, int(rows[0]) - spread), min(height, int(rows[-1]) + 1 + spread)
    left, right = _widen(left, right, max(least_side, round((bottom - top) * aspect)), width)
    top, bottom = _widen(top, bottom, max(least_side, round((right - left) / aspect)), height)
    return Box(left, top, right, bottom)


def _widen(start: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """Make a span ``length`` long around its middle, within 0 to ``limit``; one that is longer already stays."""
    missing = min(length, limit) - (end - start)
    if missing <= 0:
        return start, end
    start = min(max(0, start - missing // 2), limit - (end - start) - missing)
    return start, start + min(length, limit)


def fill_from_surroundings(photo: RGB, mask: Mask) -> RGB:
    """Fill the masked pixels with a smooth continuation of what is around them.

    Pull and push (Gortler et al., "The Lumigraph", 1996): the photo is halved with the mask as weights until no hole is
    left, then each size fills the holes of the next larger one. Large photos are filled at a smaller size, as a fill
    has no detail. A photo that is masked throughout stays as it is.
    """
    weights = 1 - mask.astype(np.float32) / np.float32(255)
    if not weights.any():
        return photo
    block = -(-max(mask.shape) // FILL_SIDE)
    if block == 1:
        filled = _bytes(_filled(photo.astype(np.float32), weights))
    else:
        filled = resized(_bytes(_filled(*_averaged(photo, weights, block))), photo.shape[1], photo.shape[0])
    kept = weights[..., None]
    return _bytes(photo * kept + filled * (1 - kept))


def _filled(colours: Floats, weights: Floats) -> Floats:
    """Keep colours, H × W × 3, where the weight is 1, and fill in what their surroundings suggest where it is less."""
    height, width = weights.shape
    if weights.min() == 1 or max(height, width) == 1:
        return colours
    coarse = _filled(*_averaged(colours, weights, 2))
    kept = weights[..., None]
    return np.asarray(colours * kept + _doubled(coarse)[:height, :width] * (1 - kept))


def _averaged(colours: Floats | RGB, weights: Floats, block: int) -> tuple[Floats, Floats]:
    """Shrink each block × block pixels to one: their weighted mean, with the sum of their weights, at most 1."""
    rows, columns = (np.arange(0, side, block) for side in weights.shape)

    def summed(values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1))

    sums = summed(weights)
    means = summed(np.asarray(colours * weights[..., None])) / np.maximum(sums, np.float32(1e-6))[..., None]
    return means, np.minimum(sums, 1)


def _bytes(colours: Floats) -> RGB:
    return np.clip(np.rint(colours), 0, 255).astype(np.uint8)


def _doubled(colours: Floats) -> Floats:
    """Enlarge to twice the size, bilinear: each pixel is three quarters of its own and one of its neighbour's."""
    for axis in (0, 1):
        before = np.concatenate([colours.take([0], axis), colours], axis).take(range(colours.shape[axis]), axis)
        after = np.concatenate([colours, colours.take([-1], axis)], axis).take(range(1, colours.shape[axis] + 1), axis)
        pair = np.stack([0.75 * colours + 0.25 * before, 0.75 * colours + 0.25 * after], axis + 1)
        shape = list(colours.shape)
        shape[axis] *= 2
        colours = pair.reshape(shape).astype(np.float32)
    return colours
