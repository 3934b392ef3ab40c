"""Where the captioner looked at each word: its attention map laid over the photo. No torch: PIL and numpy."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from framesense.media.colours import to_srgb

SIDE = 320
"""Pixels of the longer side of what is shown."""
GLOW = np.array([255.0, 196.0, 61.0])
DIM = 0.3
"""Brightness of what was not looked at."""


def preview(data: bytes, side: int = 2 * SIDE) -> Image.Image | None:
    """Return the photo upright, in RGB and no side longer than ``side`` pixels, or None when PIL cannot read it."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            upright = Image.fromarray(to_srgb(ImageOps.exif_transpose(image)))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
    upright.thumbnail((side, side), Image.Resampling.LANCZOS)
    return upright


def overlay(photo: Image.Image, attention: NDArray[np.float32]) -> Image.Image:
    """Return the photo, bright where the word looked and dim elsewhere.

    ``attention``: rows × columns, any non-negative scale; it covers the whole photo, as the captioner squashes a photo
    to a square before it looks. It is made smooth with a bicubic filter and scaled to its own highest value.
    """
    small = photo.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    map_image = Image.fromarray(np.asarray(attention, dtype=np.float32))
    smooth = np.asarray(map_image.resize(small.size, Image.Resampling.BICUBIC)).clip(min=0)
    weight = (smooth / max(float(smooth.max()), 1e-12))[..., None]
    pixels = np.asarray(small, dtype=np.float32)
    lit = pixels * (DIM + (1 - DIM) * weight)
    return Image.fromarray((lit * (1 - 0.25 * weight) + GLOW * 0.25 * weight).clip(0, 255).astype(np.uint8))
