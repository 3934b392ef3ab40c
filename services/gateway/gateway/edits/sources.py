"""Check the photos and the mask of an edit before there is a job: what cannot be edited is refused at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from framesense.edits.masks import read_mask
from framesense.edits.rules import (
    Floats,
    SizeLimits,
    check_mask,
    check_photo_size,
    check_request,
    check_result_size,
    generated_size,
    result_size,
)
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.media.images import ImageLimits, decode_image
from framesense.schemas.edits import EditParameters, Task
from gateway.settings import GatewaySettings


@dataclass(frozen=True)
class Sources:
    """The files that an edit starts from, as they were uploaded."""

    photos: Sequence[Upload]
    mask: Upload | None = None


@dataclass(frozen=True)
class PhotoSize:
    """A photo's name, and its width and height in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True)
class DecodedSources:
    """The facts about decoded sources that decide whether they can be edited."""

    photos: Sequence[PhotoSize]
    mask: Floats | None = None
    """H × W, from 0 to 1: how far each pixel may change."""


def check_sources(
    sources: Sources,
    parameters: Sequence[EditParameters],
    settings: GatewaySettings,
    limits: ImageLimits,
    *,
    several: bool = False,
) -> None:
    """Decode the files and check that they can be edited with these parameters, a set for each picture.

    Args:
        limits: on each picture that is decoded.
        several: more than one photo may come.

    Raises ProblemError: 413 too large, 415 no image, 422 for files too few, too many, too small or empty.
    """
    check_counts(len(sources.photos), sources.mask is not None, parameters, settings, several=several)
    check_decoded(_decode(sources, limits), parameters, settings)


def check_counts(
    photos: int, has_mask: bool, parameters: Sequence[EditParameters], settings: GatewaySettings, *, several: bool
) -> None:
    """Check, before anything is decoded, that so many files go together with the parameters.

    Raises ProblemError: 413 for more photos than are taken at once, 422 for files too few or too many.
    """
    for each in parameters:
        check_request(each, has_image=photos > 0, has_mask=has_mask)
    if photos > 1 and not several:
        detail = "Send one photo at a time. For many under the same words there is POST /edits/series."
        raise ProblemError(422, "too-many-images", "Too many images", detail)
    if photos > settings.edit_max_photos:
        detail = f"{photos} photos were sent; at most {settings.edit_max_photos} are taken. Send several series."
        raise ProblemError(413, "too-many-images", "Too many images", detail)
    if has_mask and photos > 1:
        detail = "A mask belongs to one photo, and several were sent. Leave it out, or send one photo."
        raise ProblemError(422, "unwanted-mask", "Unwanted mask", detail)


def check_decoded(decoded: DecodedSources, parameters: Sequence[EditParameters], settings: GatewaySettings) -> None:
    """Check the sizes of photos and results, and that the mask lets anything change.

    Raises ProblemError: 413 too large, 422 too small, or an empty mask.
    """
    limits = SizeLimits(settings.editor_min_side, settings.editor_max_side, settings.editor_max_result_pixels)
    for each in parameters:
        if each.task is Task.GENERATE and (each.width or each.height):
            check_result_size(*generated_size(each, limits.min_side), limits)
    for photo in decoded.photos:
        check_photo_size(photo.name, photo.width, photo.height, limits)
        for size in {result_size((photo.width, photo.height), each) for each in parameters}:
            check_result_size(*size, limits)
    if decoded.mask is not None:
        check_mask(decoded.mask)


def _decode(sources: Sources, limits: ImageLimits) -> DecodedSources:
    photos = []
    for file in sources.photos:  # one at a time: only their sizes are kept
        height, width, _ = decode_image(file.content, limits, name=file.filename).shape
        photos.append(PhotoSize(file.filename, width, height))
    return DecodedSources(photos, read_mask(sources.mask, limits) if sources.mask else None)
