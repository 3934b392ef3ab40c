"""Bring a photo to the size asked for, and to the size its model was made for.

Two steps, kept apart: a :class:`Placement` says how the photo comes to the result's width and height (which are its own
unless others are asked for), :func:`model_size` what the model is given of that and :func:`resize` brings pictures
there and back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from editor.models.base import Floats
from framesense.edits.rules import fitted_size
from framesense.media.images import RGB
from framesense.schemas.edits import Fit

MOST_STRETCHED = 3.0
"""Photos of more extreme proportions than 3 : 1 are squeezed to them for the model, and stretched back."""
_BACKDROP_BLUR = 0.02
"""Sigma of the blurred edges around a photo that is to fill a frame, as a share of the frame's longer side."""


@dataclass(frozen=True)
class Placement:
    """The place of a photo in a result of ``width`` × ``height`` pixels."""

    width: int
    height: int
    source: tuple[float, float, float, float]
    """The part of the photo that is used: left, top, right, bottom, in its pixels."""
    inner: tuple[int, int, int, int]
    """Where it lies in the result: left, top, width, height, in pixels."""

    @classmethod
    def of(cls, photo: tuple[int, int], width: int | None, height: int | None, fit: Fit) -> Self:
        """Place a photo in a result.

        Args:
            photo: its width and height, in pixels.
            width, height: those of the result; where one is None it follows from the photo's proportions, where both
                are the photo keeps its size.
            fit: which of the two gives way where the proportions differ.
        """
        w, h = photo
        whole = (0.0, 0.0, float(w), float(h))
        size = fitted_size(photo, width, height, fit)
        if width is None or height is None or fit is Fit.FIT:
            return cls(*size, whole, (0, 0, *size))
        if fit is Fit.CROP:
            scale = max(width / w, height / h)
            used_w, used_h = min(w, width / scale), min(h, height / scale)
            left, top = (w - used_w) / 2, (h - used_h) / 2
            return cls(*size, (left, top, left + used_w, top + used_h), (0, 0, *size))
        inner_w, inner_h = fitted_size(photo, width, height, Fit.FIT)
        return cls(*size, whole, ((width - inner_w) // 2, (height - inner_h) // 2, inner_w, inner_h))

    @property
    def changes_size(self) -> bool:
        return self.source != (0, 0, self.width, self.height)

    def picture(self, photo: RGB) -> RGB:
        """Return the placed photo, height × width × 3; the very same array where nothing changes."""
        if not self.changes_size:
            return photo
        left, top, w, h = self.inner
        placed = _resized(Image.fromarray(photo), (w, h), self.source)
        if (w, h) == (self.width, self.height):
            return np.asarray(placed)
        frame = self._backdrop(photo)
        frame.paste(placed, (left, top))
        return np.asarray(frame)

    def mask(self, mask: Floats) -> Floats:
        """Return the photo's mask at its place in the result, height × width; the surroundings of the photo are
        kept.
        """
        if not self.changes_size:
            return mask
        left, top, w, h = self.inner
        placed = Image.fromarray(mask).resize((w, h), Image.Resampling.BILINEAR, self.source)
        frame = np.zeros((self.height, self.width), np.float32)
        frame[top : top + h, left : left + w] = np.asarray(placed)
        return frame

    def _backdrop(self, photo: RGB) -> Image.Image:
        """Fill the frame with the photo itself, so blurred that only its colours are left."""
        size = (self.width, self.height)
        small = tuple(max(1, round(side * min(1.0, 256 / max(size)))) for side in size)
        filling = Placement.of((photo.shape[1], photo.shape[0]), small[0], small[1], Fit.CROP)
        blurred = Image.fromarray(filling.picture(photo)).filter(
            ImageFilter.GaussianBlur(max(1.0, _BACKDROP_BLUR * max(small)))
        )
        return blurred.resize(size, Image.Resampling.BICUBIC)


def model_size(width: int, height: int, side: int, multiple: int) -> tuple[int, int]:
    """Return the width and height for the model: about ``side``² pixels in the result's proportions.

    The proportions are no more extreme than :data:`MOST_STRETCHED`, and both sides multiples of ``multiple``.
    """
    aspect = min(MOST_STRETCHED, max(1 / MOST_STRETCHED, width / height))
    sides = (side * math.sqrt(aspect), side / math.sqrt(aspect))
    at_multiples = [max(multiple, multiple * round(length / multiple)) for length in sides]
    return at_multiples[0], at_multiples[1]


def resize(picture: RGB, width: int, height: int) -> RGB:
    """Resize a picture by Lanczos; return the very same array where the size is right."""
    if picture.shape[:2] == (height, width):
        return picture
    whole = (0.0, 0.0, float(picture.shape[1]), float(picture.shape[0]))
    return np.asarray(_resized(Image.fromarray(picture), (width, height), whole))


def resize_mask(mask: Floats, width: int, height: int) -> Floats:
    """Resize a mask, 0 to 1, bilinearly; return the very same array where the size is right."""
    if mask.shape == (height, width):
        return mask
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.BILINEAR))


def thumbnail(picture: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Shrink a picture, H × W or H × W × 3, so that no side is longer than ``longest`` pixels; never enlarge it."""
    height, width = picture.shape[:2]
    scale = longest / max(width, height)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX, reducing_gap=2.0))


def _resized(photo: Image.Image, size: tuple[int, int], source: tuple[float, float, float, float]) -> Image.Image:
    # reducing_gap: a photo of 50 megapixels is first shrunk by whole factors, which is many times faster.
    return photo.resize(size, Image.Resampling.LANCZOS, source, reducing_gap=3.0)
