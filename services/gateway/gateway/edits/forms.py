"""Read the multipart forms in which photos to edit come: files, parameters, or the id of an earlier edit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload, UploadLimits, read_named_form
from framesense.schemas.edits import EditParameters
from gateway.settings import GatewaySettings

Contract = TypeVar("Contract", bound=BaseModel)

PHOTO_FIELDS, SERIES_PHOTO_FIELDS = ("image", "file"), ("image", "images", "file")
MASK_FIELD, PARAMETERS_FIELD, JOB_FIELD = "mask", "parameters", "job_id"


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
    """Read a form with photos, a mask and parameters.

    ``photo_fields``: those a photo may come in; ``images`` is a number in the form of a single edit.

    Raises ProblemError: 400 malformed, 413 over a limit, 415 no form, 422 for unknown files and repeated fields.
    """
    limits = UploadLimits(
        max_bytes=settings.max_image_request_bytes,
        max_file_bytes=settings.max_image_bytes,
        max_files=settings.edit_max_photos + 1,
    )
    form = await read_named_form(request, limits, fields=(*photo_fields, MASK_FIELD))
    if repeated := [name for name, values in form.values.items() if len(values) > 1]:
        detail = f"The form has the field {repeated[0]!r} several times. Send it once."
        raise ProblemError(422, "repeated-field", "Repeated field", detail)
    fields = {name: value for name, (value,) in form.values.items() if value != ""}
    photos = [file for name, file in form.files if name != MASK_FIELD]
    return EditForm(photos, form.file(MASK_FIELD), fields, fields.pop(JOB_FIELD, None))


def read_parameters(fields: Mapping[str, str]) -> EditParameters:
    """Read the parameters of one edit: a JSON document in ``parameters``, or a field each.

    Raises RequestValidationError.
    """
    if PARAMETERS_FIELD not in fields:
        return _validated(EditParameters, dict(fields))
    if others := sorted(set(fields) - {PARAMETERS_FIELD}):
        detail = f"Send {others[0]!r} inside of 'parameters', or every parameter as a field of its own."
        raise ProblemError(422, "two-sorts-of-parameters", "Two sorts of parameters", detail)
    return read_json(EditParameters, fields)


def read_json(contract: type[Contract], fields: Mapping[str, str]) -> Contract:
    """Read the JSON document in the field ``parameters``.

    Raises ProblemError 422 without one, RequestValidationError.
    """
    if unknown := sorted(set(fields) - {PARAMETERS_FIELD}):
        detail = f"There is no field {unknown[0]!r} here: parameters come as one JSON document in 'parameters'."
        raise ProblemError(422, "unknown-field", "Unknown field", detail)
    if PARAMETERS_FIELD not in fields:
        detail = "Send the parameters as a JSON document in the form's field 'parameters'."
        raise ProblemError(422, "no-parameters", "No parameters", detail)
    return _validated(contract, fields[PARAMETERS_FIELD])


def _validated(contract: type[Contract], given: str | dict[str, Any]) -> Contract:
    try:
        return contract.model_validate_json(given) if isinstance(given, str) else contract.model_validate(given)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None
