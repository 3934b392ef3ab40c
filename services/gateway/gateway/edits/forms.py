"""Forms of photos to edit, read and checked at the door: what cannot be edited is refused before there is a job."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from PIL import Image
from pydantic import BaseModel, ValidationError

from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload, UploadLimits, read_named_form
from framesense.media.images import RGB, ImageLimits, decode_image
from framesense.schemas.edits import EditorCapabilities, EditParameters, Preserve, Task
from gateway.edits.jobs import Sources
from gateway.settings import GatewaySettings

Contract = TypeVar("Contract", bound=BaseModel)

PHOTO_FIELDS, SERIES_PHOTO_FIELDS = ("image", "file"), ("image", "images", "file")
MASK_FIELD, PARAMETERS_FIELD, JOB_FIELD = "mask", "parameters", "job_id"
_BLACK = 7
ENLARGED = {Task.UPSCALE_X2: 2, Task.UPSCALE_X4: 4}


@dataclass(frozen=True)
class EditForm:
    """A form's files, and its other fields as text. ``job_id``: an earlier edit whose photos are meant."""

    photos: list[Upload]
    mask: Upload | None
    fields: dict[str, str]
    job_id: str | None


async def read_edit_form(
    request: Request, settings: GatewaySettings, *, photo_fields: Sequence[str] = PHOTO_FIELDS
) -> EditForm:
    """``photo_fields``: those a photo may come in; ``images`` is a number in the form of a single edit.

    Raises ProblemError: 400 malformed, 413 over a limit, 415 no form, 422 for unknown files and repeated fields."""
    limits = UploadLimits(
        max_bytes=settings.max_image_request_bytes,
        max_file_bytes=settings.max_image_bytes,
        max_files=settings.edit_max_photos + 1,
    )
    form = await read_named_form(request, limits, fields=(*photo_fields, MASK_FIELD))
    if form.other_files:
        detail = f"The form has a file in the field {form.other_files[0]!r}; send it as 'image', or as 'mask'."
        raise ProblemError(422, "unknown-file-field", "Unknown file field", detail)
    if repeated := [name for name, values in form.values.items() if len(values) > 1]:
        detail = f"The form has the field {repeated[0]!r} several times. Send it once."
        raise ProblemError(422, "repeated-field", "Repeated field", detail)
    fields = {name: value for name, (value,) in form.values.items() if value != ""}
    photos = [file for name, file in form.files if name != MASK_FIELD]
    return EditForm(photos, form.file(MASK_FIELD), fields, fields.pop(JOB_FIELD, None))


def read_parameters(fields: Mapping[str, str]) -> EditParameters:
    """Of one edit: a JSON document in ``parameters``, or a field each. Raises RequestValidationError."""
    if PARAMETERS_FIELD not in fields:
        return _validated(EditParameters, dict(fields))
    if others := sorted(set(fields) - {PARAMETERS_FIELD}):
        detail = f"Send {others[0]!r} inside of 'parameters', or every parameter as a field of its own."
        raise ProblemError(422, "two-sorts-of-parameters", "Two sorts of parameters", detail)
    return read_json(EditParameters, fields)


def read_json(contract: type[Contract], fields: Mapping[str, str]) -> Contract:
    """The JSON document in the field ``parameters``. Raises ProblemError 422 without, RequestValidationError."""
    if unknown := sorted(set(fields) - {PARAMETERS_FIELD}):
        detail = f"There is no field {unknown[0]!r} here: parameters come as one JSON document in 'parameters'."
        raise ProblemError(422, "unknown-field", "Unknown field", detail)
    if PARAMETERS_FIELD not in fields:
        detail = "Send the parameters as a JSON document in the form's field 'parameters'."
        raise ProblemError(422, "no-parameters", "No parameters", detail)
    return _validated(contract, fields[PARAMETERS_FIELD])


def check_sources(
    sources: Sources, parameters: Sequence[EditParameters], settings: GatewaySettings, *, several: bool = False
) -> None:
    """Whether these files can be edited so. Decodes them. ``several``: more than one photo may come.

    Raises ProblemError: 413 too large, 415 no image, 422 for files too few, too many, too small or empty.
    """
    _check_numbers(sources, parameters, settings, several=several)
    for photo in sources.photos:
        pixels = _decoded(photo, settings)
        for one in {asked.task for asked in parameters}:
            _check_result(photo.filename, pixels, ENLARGED.get(one, 1), settings)
    if sources.mask and _is_black(sources.mask, settings):
        detail = "The mask is black all over, so nothing would change. Paint white what should."
        raise ProblemError(422, "empty-mask", "Empty mask", detail)


def check_ability(capabilities: EditorCapabilities, parameters: EditParameters) -> None:
    """Raises ProblemError 422 for what the editor's model cannot do, as far as it can be told beforehand."""
    name = capabilities.model.name
    if parameters.task not in capabilities.tasks:
        can = ", ".join(capabilities.tasks)
        raise _unable(f"The editor's model ({name}) cannot {_said(parameters.task)}; it can do: {can}.")
    preserve = parameters.preserve
    if preserve is not None and preserve not in capabilities.preserve:
        can = ", ".join(capabilities.preserve)
        raise _unable(f"The editor's model ({name}) does not know preserve={preserve}; it knows: {can}.")
    known = [sampler.name for sampler in capabilities.schedulers]
    if parameters.scheduler is not None and parameters.scheduler not in known:
        has = ", ".join(known)
        raise _unable(f"The editor's model ({name}) has no scheduler {parameters.scheduler}; it has: {has}.")


def _check_numbers(
    sources: Sources, parameters: Sequence[EditParameters], settings: GatewaySettings, *, several: bool
) -> None:
    wordless = any(asked.task is Task.GENERATE for asked in parameters)
    count = len(sources.photos)
    if wordless and count:
        detail = "A picture made from words alone has no photo. Leave the image out, or let the task be 'edit'."
        raise ProblemError(422, "unwanted-image", "Unwanted image", detail)
    if not wordless and not count:
        detail = "Send the photo as the form field 'image' (curl -F image=@room.jpg), or an earlier edit's 'job_id'."
        raise ProblemError(422, "no-image", "No image", detail)
    if count > 1 and not several:
        detail = "Send one photo at a time. For many under the same words there is POST /edits/series."
        raise ProblemError(422, "too-many-images", "Too many images", detail)
    if count > settings.edit_max_photos:
        detail = f"{count} photos were sent; at most {settings.edit_max_photos} are taken. Send several series."
        raise ProblemError(413, "too-many-images", "Too many images", detail)
    masked = any(asked.preserve is Preserve.MASK for asked in parameters)
    if masked and not sources.mask:
        detail = "preserve=mask needs a mask: send it as the form field 'mask', white where the photo may change."
        raise ProblemError(422, "no-mask", "No mask", detail)
    if sources.mask and count > 1:
        detail = "A mask belongs to one photo, and several were sent. Leave it out, or send one photo."
        raise ProblemError(422, "unwanted-mask", "Unwanted mask", detail)


def _decoded(file: Upload, settings: GatewaySettings) -> RGB:
    limits = ImageLimits(settings.max_image_bytes, settings.max_image_pixels)
    return decode_image(file.content, limits, name=file.filename)


def _is_black(mask: Upload, settings: GatewaySettings) -> bool:
    """All over, but for the noise of a JPEG. On a transparent ground, what is drawn counts, whatever its colour."""
    pixels = _decoded(mask, settings)
    with Image.open(io.BytesIO(mask.content)) as image:
        drawn = np.asarray(image.convert("RGBA").getchannel("A")) if image.has_transparency_data else pixels
    return int(drawn.max()) <= _BLACK


def _check_result(name: str, pixels: RGB, scale: int, settings: GatewaySettings) -> None:
    height, width = pixels.shape[:2]
    if min(height, width) < settings.editor_min_side:
        least = settings.editor_min_side
        detail = f"{name} has {width} × {height} pixels; each side needs {least} at least. Send a larger photo."
        raise ProblemError(422, "image-too-small", "Image too small", detail)
    if max(height, width) > settings.editor_max_side:
        most = settings.editor_max_side
        detail = f"{name} has {width} × {height} pixels; no side may have more than {most:,}. Send a smaller copy."
        raise ProblemError(413, "image-too-large", "Image too large", detail)
    if height * width * scale**2 > settings.editor_max_result_pixels:
        most = settings.editor_max_result_pixels
        detail = f"The picture would have {width * scale} × {height * scale} pixels; at most {most:,} are made."
        raise ProblemError(413, "image-too-large", "Image too large", detail)


def _validated(contract: type[Contract], given: str | dict[str, Any]) -> Contract:
    try:
        return contract.model_validate_json(given) if isinstance(given, str) else contract.model_validate(given)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None


def _said(task: Task) -> str:
    return {
        Task.EDIT: "edit a photo by words",
        Task.GENERATE: "make a picture from words alone",
        Task.DENOISE: "take the noise out of a photo",
        Task.UPSCALE_X2: "enlarge a photo",
        Task.UPSCALE_X4: "enlarge a photo",
    }[task]


def _unable(detail: str) -> ProblemError:
    return ProblemError(422, "model-cannot", "Not with this model", detail)
