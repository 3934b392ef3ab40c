"""Uploaded files → the pictures that an edit works with, at the size of its result. All that can be refused is."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

from PIL import Image

from editor.edits.resolve import FACTORS, Asked
from editor.imaging.masks import read_mask
from editor.imaging.sizing import Placement
from editor.models.base import Floats
from editor.settings import EditorSettings
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.media.images import RGB, ImageLimits, decode_image


@dataclass(frozen=True)
class Prepared:
    """A request that can be carried out."""

    asked: Asked
    name: str
    """The photo's; empty without one."""
    width: int
    height: int
    """Of the result."""
    photo: RGB | None
    """height × width × 3; of an upscale, the photo as it is."""
    mask: Floats | None
    """height × width, not feathered yet."""


@dataclass(frozen=True)
class PhotoLimits:
    images: ImageLimits
    min_side: int
    max_side: int
    max_result_pixels: int

    @classmethod
    def of(cls, settings: EditorSettings) -> PhotoLimits:
        return cls(
            ImageLimits(settings.max_image_bytes, settings.max_image_pixels),
            settings.editor_min_side,
            settings.editor_max_side,
            settings.editor_max_result_pixels,
        )


def prepare(asked: Asked, image: Upload | None, mask: Upload | None, limits: PhotoLimits, size: int) -> Prepared:
    """
    Args:
        image, mask: as :func:`editor.edits.resolve.settle` made sure of.
        size: width and height of a picture made from words alone, where it is not said.

    Raises:
        ProblemError: 413, 415 or 422 for files that cannot be taken, sizes that cannot be made, an empty mask.
    """
    parameters = asked.parameters
    if image is None:
        width, height = parameters.width or parameters.height or size, parameters.height or parameters.width or size
        _check_result(width, height, limits)
        return Prepared(asked, "", width, height, None, None)
    photo = decode_image(image.content, limits.images, name=image.filename, media_type=image.media_type)
    _check_sides(photo, image.filename, limits)
    asked = asked.with_note(_transparency(image))
    photo_size = (photo.shape[1], photo.shape[0])
    if (factor := FACTORS.get(parameters.task)) is not None:
        width, height = factor * photo_size[0], factor * photo_size[1]
        _check_result(width, height, limits)
        return Prepared(asked, image.filename, width, height, photo, None)
    placement = Placement.of(photo_size, parameters.width, parameters.height, parameters.fit)
    _check_result(placement.width, placement.height, limits)
    placed_mask = None
    if mask is not None:
        read = read_mask(mask, photo_size, limits.images)
        asked, placed_mask = asked.with_note(read.note), placement.mask(read.values)
        if not placed_mask.any():
            detail = "There is nothing to edit: what is white in the mask is cut off with fit=crop."
            raise ProblemError(422, "nothing-to-edit", "Nothing to edit", detail)
    return Prepared(
        replace(asked), image.filename, placement.width, placement.height, placement.picture(photo), placed_mask
    )


def _check_sides(photo: RGB, name: str, limits: PhotoLimits) -> None:
    height, width = photo.shape[:2]
    if min(width, height) < limits.min_side:
        detail = f"{name} is {width} × {height} pixels; at least {limits.min_side} a side are needed to edit a photo."
        raise ProblemError(422, "image-too-small", "Image too small", detail)
    if max(width, height) > limits.max_side:
        detail = f"{name} is {width} × {height} pixels; at most {limits.max_side:,} a side are taken. Make it smaller."
        raise ProblemError(413, "image-too-large", "Image too large", detail)


def _check_result(width: int, height: int, limits: PhotoLimits) -> None:
    if min(width, height) < limits.min_side:
        detail = f"The result would have {width} × {height} pixels; at least {limits.min_side} a side can be made."
        raise ProblemError(422, "result-too-small", "Result too small", detail)
    if width * height > limits.max_result_pixels:
        detail = (
            f"The result would have {width} × {height} = {width * height:,} pixels; at most "
            f"{limits.max_result_pixels:,} are made. Send a smaller photo or ask for a smaller width and height."
        )
        raise ProblemError(422, "result-too-large", "Result too large", detail)


def _transparency(image: Upload) -> str | None:
    try:
        with Image.open(io.BytesIO(image.content)) as opened:
            transparent = opened.has_transparency_data
    except Exception:  # an array
        return None
    return "the photo's transparent parts were laid over white" if transparent else None
