"""Bring masks to a photo's size, soften their edges and write them as PNG. A mask is H × W, from 0 (kept) to 1."""

from __future__ import annotations

import cv2
import numpy as np

from editor.models.base import Floats

_LEAST = 1 / 512
"""A feathered edge ends where it could no longer move a pixel's value by a whole step in the middle of the range."""


def fit_mask(mask: Floats, photo: tuple[int, int]) -> tuple[Floats, str | None]:
    """Resize a mask to a photo of that width and height; return it with a note where that was needed."""
    height, width = mask.shape
    if (width, height) == photo:
        return mask, None
    interpolation = cv2.INTER_AREA if width > photo[0] else cv2.INTER_LINEAR
    note = f"the mask, {width} × {height} pixels, was resized to the photo's {photo[0]} × {photo[1]}"
    return np.asarray(cv2.resize(mask, photo, interpolation=interpolation), np.float32), note


def feather(mask: Floats, sigma: float) -> Floats:
    """Blur a mask with a Gaussian of that many pixels. It is exactly 0 from about 3 sigma outside of the white on."""
    if sigma < 0.1:
        return mask
    blurred = cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    blurred[blurred < _LEAST] = 0
    blurred[blurred > 1 - _LEAST] = 1
    return np.asarray(blurred, np.float32)


def encode_mask(mask: Floats) -> bytes:
    """Encode a mask as PNG, 8-bit grey, white where the picture was to change."""
    _, encoded = cv2.imencode(".png", np.round(mask * 255).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return encoded.tobytes()
