"""Photo sets in, and their thumbnails out; everything else about such a job is as with any other job."""

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError, field_validator

from framesense.http.texts import split_labels, split_texts
from framesense.schemas.jobs import Job
from framesense.schemas.photo_sets import PhotoSetParameters, PhotoSetResult
from gateway.dependencies import InjectedDependencies
from gateway.http.multipart import ReceivedForm, receive_form
from gateway.jobs.idempotency import IdempotencyKey
from gateway.jobs.lookups import OptionalId, find_job
from gateway.jobs.submission import form_inputs
from gateway.jobs.waiting import Prefer, answer_job
from gateway.openapi import examples
from gateway.photo_sets.results import photo_set_result, photo_thumbnail, tagging_of
from gateway.photo_sets.submit import form_limits, submit_form

router = APIRouter(tags=["photo sets"])

A_YEAR = 31_536_000


class PhotoSetForm(PhotoSetParameters):
    """The parameters as form fields, beside the zip."""

    upload_id: OptionalId = Field(default=None, description="a complete upload of /uploads, instead of `photos`")

    @field_validator("labels", mode="before")
    @classmethod
    def _labels(cls, value: object) -> object:
        return split_labels(value) if isinstance(value, list) else value

    @field_validator("templates", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return split_texts(value) if isinstance(value, list) else value


_LISTS = ("labels", "templates")
_HOW_TO_LIST = "the field repeated; or once, as a JSON array, one a line"
_TEXTS = {"type": "array", "items": {"type": "string"}}
_PROPERTIES = PhotoSetForm.model_json_schema(ref_template="#/components/schemas/{model}")["properties"]
_FORM = examples.form_body(
    {
        "photos": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "one zip, or the photos themselves; sub-folders, in a file's name too, may be groups",
        },
        **{name: {**schema, "default": None} for name, schema in _PROPERTIES.items()},
        "labels": _TEXTS | {"description": f"{_HOW_TO_LIST}, or commas between", "example": ["kitchen", "bedroom"]},
        "templates": _TEXTS | {"description": _HOW_TO_LIST, "example": ["a photo of a {label}"]},
    }
)


_ANSWERS = examples.responses(
    {
        200: {
            "model": PhotoSetResult,
            **examples.json_example("Ready within `Prefer: wait`", examples.PHOTO_SET_RESULT),
        },
        202: examples.json_example("A job; follow it at Location", examples.PHOTO_SET_JOB),
    },
    400,
    408,
    409,
    410,
    413,
    415,
    422,
    429,
    503,
    507,
)


@router.post(
    "/datasets",
    status_code=202,
    summary="Tag a set of photos, by an older path",
    description="The same as `POST /photo-sets`.",
    response_model=Job,
    responses=_ANSWERS,
    openapi_extra=_FORM,
)
@router.post(
    "/photo-sets",
    status_code=202,
    summary="Tag a set of photos",
    response_model=Job,
    responses=_ANSWERS,
    openapi_extra=_FORM,
)
async def tag_photo_set(
    request: Request,
    dependencies: InjectedDependencies,
    prefer: Prefer = None,
    key: IdempotencyKey = None,
) -> Response:
    """Send a zip of photos as the multipart form field `photos`, or that field once for each photo, or the `upload_id`
    of a resumable upload of a zip; and the labels, or the name of a label set.

    ```sh
    curl -F photos=@hotels.zip -F labels=kitchen,bathroom,bedroom http://127.0.0.1:8000/photo-sets
    ```
    ```sh
    curl -F photos=@a.jpg -F photos=@b.jpg -F labels=kitchen -F labels=bathroom http://127.0.0.1:8000/photo-sets
    ```

    Every photo is tagged; the result tells how many tags photos have, how balanced the labels are, near-duplicates,
    clusters and a 2-D map. Photos in sub-folders, or named in a `groups.csv` among them, are compared by group.
    A `groups.csv` is a table as spreadsheets save it, with commas, semicolons or tabs: a column `photo` (or `file`,
    `path`, `image`, `image_id`) with each photo's path or file name, and a column with its group.
    The table of all photos is at `/jobs/{id}/export.csv` and `/jobs/{id}/export.parquet`.
    """
    async with receive_form(request, dependencies.settings.upload_folder, form_limits(dependencies)) as form:
        asked = _read_fields(form)
        parameters = PhotoSetParameters(**asked.model_dump(exclude={"upload_id"}))
        inputs = await asyncio.to_thread(form_inputs, form, path="/photo-sets", **asked.model_dump(mode="json"))
        submit = partial(submit_form, dependencies, form, parameters, upload_id=asked.upload_id)
        job = await dependencies.idempotency.submit_once(key, inputs, submit)
    return await answer_job(request, dependencies, job, prefer, partial(photo_set_result, dependencies))


@router.get(
    "/jobs/{job_id}/photos/{index}.jpg",
    summary="A photo's thumbnail",
    response_class=Response,
    responses=examples.responses(
        {200: examples.binary_response("JPEG", "image/jpeg"), 304: {"description": "Unchanged"}}, 404, 503
    ),
)
def job_photo(
    dependencies: InjectedDependencies,
    job_id: Annotated[str, Path(description="of a photo-set job", examples=[examples.JOB_ID])],
    index: Annotated[int, Path(ge=0, le=10**8, description="the photo's index in the result", examples=[3])],
    if_none_match: Annotated[str | None, Header(description="the ETag of the copy you have")] = None,
) -> Response:
    """Return a photo's thumbnail, from the moment the photo was tagged, also while the job runs.

    It never changes: cache it.
    """
    job = find_job(dependencies, job_id)
    tag = f'"{tagging_of(dependencies, job)}-{index}"'
    headers = {"Cache-Control": f"public, max-age={A_YEAR}, immutable", "ETag": tag}
    jpeg = photo_thumbnail(dependencies, job, index)
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    return Response(jpeg, headers=headers, media_type="image/jpeg")


def _read_fields(form: ReceivedForm) -> PhotoSetForm:
    given: dict[str, Any] = {name: value for name, value in form.fields.items() if value != ""}
    given |= {name: values for name, values in form.values.items() if name in _LISTS and values != [""]}
    try:
        return PhotoSetForm.model_validate(given)
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        raise RequestValidationError(faults) from None
