"""Turn uploaded files into the pictures that an edit works with, at the size of its result; refuse all that can be."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from editor.edits.resolve import ResolvedEdit
from editor.imaging.masks import fit_mask
from editor.imaging.sizing import Placement
from editor.models.base import Floats
from editor.settings import EditorSettings
from framesense.edits.masks import read_mask
from framesense.edits.rules import (
    ENLARGEMENTS,
    SizeLimits,
    check_mask,
    check_photo_size,
    check_result_size,
    empty_mask,
    generated_size,
    result_size,
)
from framesense.http.uploads import Upload
from framesense.media.budget import PixelBudget
from framesense.media.images import RGB, ImageLimits, decode_image


@dataclass(frozen=True)
class PreparedEdit:
    """An edit that can be carried out."""

    resolved: ResolvedEdit
    name: str
    """The photo's; empty without one."""
    width: int
    height: int
    """Of the result, in pixels."""
    photo: RGB | None
    """height × width × 3; of an upscale, the photo as it is."""
    mask: Floats | None
    """height × width, not feathered yet."""


@dataclass(frozen=True)
class PhotoLimits:
    """Limits on the files sent and on the sizes of photos and results."""

    images: ImageLimits
    sizes: SizeLimits

    @classmethod
    def of(cls, settings: EditorSettings) -> PhotoLimits:
        return cls(
            ImageLimits(settings.max_image_bytes, settings.max_image_pixels, PixelBudget(settings.max_pixels_at_once)),
            SizeLimits(settings.editor_min_side, settings.editor_max_side, settings.editor_max_result_pixels),
        )


def prepare(
    resolved: ResolvedEdit, image: Upload | None, mask: Upload | None, limits: PhotoLimits, size: int
) -> PreparedEdit:
    """Decode the files of an edit and bring them to the size of its result.

    Args:
        image, mask: that go together with the parameters, as :func:`editor.edits.resolve.resolve` checks.
        size: width and height, in pixels, of a picture made from words alone, where it is not said.

    Raises:
        ProblemError: 413, 415 or 422 for files that cannot be taken, sizes that cannot be made, an empty mask.
    """
    parameters = resolved.parameters
    if image is None:
        width, height = generated_size(parameters, size)
        check_result_size(width, height, limits.sizes)
        return PreparedEdit(resolved, "", width, height, None, None)
    photo = decode_image(image.content, limits.images, name=image.filename, media_type=image.media_type)
    photo_size = (photo.shape[1], photo.shape[0])
    check_photo_size(image.filename, *photo_size, limits.sizes)
    width, height = result_size(photo_size, parameters)
    check_result_size(width, height, limits.sizes)
    resolved = resolved.with_note(_transparency(image))
    if parameters.task in ENLARGEMENTS:
        return PreparedEdit(resolved, image.filename, width, height, photo, None)
    placement = Placement.of(photo_size, parameters.width, parameters.height, parameters.fit)
    placed_mask = None
    if mask is not None:
        weights = read_mask(mask, limits.images)
        check_mask(weights, mask.filename)
        fitted, note = fit_mask(weights, photo_size)
        resolved, placed_mask = resolved.with_note(note), placement.mask(fitted)
        if not placed_mask.any():
            raise empty_mask("What is white in the mask is cut off with fit=crop, so nothing would change.")
    return PreparedEdit(resolved, image.filename, width, height, placement.picture(photo), placed_mask)


def _transparency(image: Upload) -> str | None:
    try:
        with Image.open(io.BytesIO(image.content)) as opened:
            transparent = opened.has_transparency_data
    except Exception:  # an array
        return None
    return "the photo's transparent parts were laid over white" if transparent else None
