"""Restorations that need no diffusion model: noise away, twice or four times the size. Named as what they are.

Both work in tiles with the margin that their neighbourhoods need, so that a large photo's progress shows, its work can
be given up midway, and the result is that of the whole photo at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from editor.imaging.sizing import resize
from editor.models.base import Floats
from framesense.media.images import RGB

DENOISING = "non-local means (Buades et al., 2005), as strong as the photo's own noise asks for"
UPSCALING = "Lanczos interpolation with iterative back-projection (Irani and Peleg, 1991)"

TILE = 512
"""Side of a tile, in pixels of the photo."""
_SEARCH, _TEMPLATE = 21, 7
"""Windows of the non-local means, in pixels: OpenCV's own."""
_DENOISE_MARGIN = (_SEARCH + _TEMPLATE) // 2 + 2
_UPSCALE_MARGIN = 24
_ROUNDS = 4
"""Of back-projection: more gain nothing."""

OnTile = Callable[[int, int, RGB], None]
"""Called after every tile with how many are done, of how many, and the picture so far. May raise."""


@dataclass(frozen=True)
class _Tile:
    """Rows and columns of a photo that a tile answers for, and those that it looks at."""

    top: int
    bottom: int
    left: int
    right: int
    margin: int

    def outer(self, photo: RGB) -> RGB:
        rows = slice(max(0, self.top - self.margin), self.bottom + self.margin)
        columns = slice(max(0, self.left - self.margin), self.right + self.margin)
        return np.ascontiguousarray(photo[rows, columns])

    def inner(self, outer: RGB, scale: int = 1) -> RGB:
        """Cut the part that the tile answers for from the result of its outer part."""
        top, left = self.top - max(0, self.top - self.margin), self.left - max(0, self.left - self.margin)
        rows = slice(scale * top, scale * (top + self.bottom - self.top))
        columns = slice(scale * left, scale * (left + self.right - self.left))
        return outer[rows, columns]


def noise_level(photo: RGB) -> float:
    """Estimate the standard deviation of a photo's noise, in levels of 255.

    Immerkær, Fast noise variance estimation, 1996: what a mask that is blind to planes and edges answers; here its
    median rather than its mean, as textures answer too.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_RGB2GRAY).astype(np.float32)
    if min(grey.shape) < 3:
        return 0.0
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    answers = np.abs(cv2.filter2D(grey, -1, kernel)[1:-1, 1:-1])
    # The kernel's squares sum to 36; the median of a normal variable's absolute value is 0.6745 sigma.
    return float(np.median(answers)) / 6 / 0.6745


def denoise(photo: RGB, strength: float, on_tile: OnTile) -> RGB:
    """Denoise a photo by non-local means of brightness and colour.

    Args:
        strength: (0, 1]; 0.5 fits the noise that is measured in the photo, 1 twice as much.
    """
    level = max(1.0, noise_level(photo))
    brightness, colour = 1.8 * strength * level, 2.4 * strength * level
    result = photo.copy()
    tiles = list(_tiles(photo, _DENOISE_MARGIN))
    for done, tile in enumerate(tiles, 1):
        cleaned = cv2.fastNlMeansDenoisingColored(tile.outer(photo), None, brightness, colour, _TEMPLATE, _SEARCH)
        result[tile.top : tile.bottom, tile.left : tile.right] = tile.inner(np.asarray(cleaned, np.uint8))
        on_tile(done, len(tiles), result)
    return result


def upscale(photo: RGB, factor: int, on_tile: OnTile) -> RGB:
    """Enlarge a photo ``factor`` times each way: interpolate, then correct until it is the photo when shrunk again."""
    height, width = photo.shape[:2]
    result = np.zeros((factor * height, factor * width, 3), np.uint8)
    tiles = list(_tiles(photo, _UPSCALE_MARGIN))
    for done, tile in enumerate(tiles, 1):
        enlarged = _back_projected(tile.outer(photo).astype(np.float32), factor)
        rows = slice(factor * tile.top, factor * tile.bottom)
        columns = slice(factor * tile.left, factor * tile.right)
        result[rows, columns] = tile.inner(enlarged, factor)
        on_tile(done, len(tiles), result)
    return result


def plain_upscale(photo: RGB, factor: int) -> RGB:
    """Enlarge a photo by Lanczos alone, to compare an upscale with."""
    return resize(photo, factor * photo.shape[1], factor * photo.shape[0])


def _back_projected(photo: Floats, factor: int) -> RGB:
    size, small = (factor * photo.shape[1], factor * photo.shape[0]), (photo.shape[1], photo.shape[0])
    enlarged = cv2.resize(photo, size, interpolation=cv2.INTER_LANCZOS4)
    for _ in range(_ROUNDS):
        error = photo - cv2.resize(enlarged, small, interpolation=cv2.INTER_AREA)
        enlarged = enlarged + cv2.resize(error, size, interpolation=cv2.INTER_CUBIC)
    return np.clip(np.round(enlarged), 0, 255).astype(np.uint8)


def _tiles(photo: RGB, margin: int) -> Iterator[_Tile]:
    height, width = photo.shape[:2]
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            yield _Tile(top, min(height, top + TILE), left, min(width, left + TILE), margin)
