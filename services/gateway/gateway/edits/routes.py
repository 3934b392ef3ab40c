"""Photos edited by diffusion: one edit, or a series of them; and the pictures that come of it."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response

from framesense.edits.rules import check_capabilities, resolve_preserve
from framesense.edits.series import plan_series
from framesense.http.problems import ProblemError
from framesense.schemas.edits import EditorCapabilities, EditParameters, EditResult, SeriesParameters
from framesense.schemas.jobs import Job
from framesense.storage.edits import PictureKind
from gateway.dependencies import Dependencies, InjectedDependencies
from gateway.edits.forms import (
    SERIES_PHOTO_FIELDS,
    EditForm,
    read_edit_form,
    read_json,
    read_parameters,
)
from gateway.edits.jobs import (
    contact_sheet,
    edit_picture,
    edit_result,
    edit_thumbnail,
    source_photo,
    sources_of,
    submit_edit,
    submit_series,
)
from gateway.edits.sources import Sources, check_sources
from gateway.jobs.idempotency import IdempotencyKey, Inputs, upload_inputs
from gateway.jobs.lookups import find_job
from gateway.jobs.waiting import Prefer, answer_job
from gateway.openapi import editing_examples, examples

router = APIRouter(tags=["edits"])

_FOREVER = "public, max-age=31536000, immutable"

JobId = Annotated[str, Path(description="of an edit, or of a series", examples=[examples.JOB_ID])]
Index = Annotated[int, Path(ge=0, le=999, description="the picture's index in the result", examples=[0])]
Cached = Annotated[str | None, Header(alias="If-None-Match", description="the ETag of the copy you have")]

_FILES = {
    "image": {"type": "string", "format": "binary", "description": "the photo; absent to make one from words alone"},
    "mask": {"type": "string", "format": "binary", "description": "white is edited; of another size it is resized"},
    "job_id": {"type": "string", "description": "an earlier edit whose photo and mask are meant, instead of files"},
}
_FORM = examples.form_body(
    {
        **_FILES,
        **EditParameters.model_json_schema(ref_template="#/components/schemas/{model}")["properties"],
        "denoising_strength": {"type": "number", "description": "the same as strength, as other programs call it"},
        "parameters": {
            "type": "string",
            "description": "all of them as one JSON document, instead of a field each",
            "example": '{"prompt": "a bedroom at night", "strength": 0.6}',
        },
    }
)
_SERIES_FORM = examples.form_body(
    {
        **_FILES,
        "image": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "a photo, or many under the same change: a row of the sheet each",
        },
        "parameters": {
            "type": "string",
            "description": "SeriesParameters as JSON",
            "example": editing_examples.SERIES.model_dump_json(exclude_unset=True),
        },
    },
    required=["parameters"],
)
_STARTED = {
    200: {
        "model": EditResult,
        **examples.json_example("Ready within `Prefer: wait`", editing_examples.EDIT_RESULT),
    },
    202: examples.json_example("A job; follow it at Location", editing_examples.EDIT_JOB),
}
_PNG = {200: examples.binary_response("PNG", "image/png"), 304: {"description": "Unchanged"}}


@router.post(
    "/edits",
    status_code=202,
    summary="Edit a photo by words",
    response_model=Job,
    responses=examples.responses(_STARTED, 400, 404, 410, 413, 415, 422, 429, 503, 507),
    openapi_extra=_FORM,
)
async def edit(
    request: Request, dependencies: InjectedDependencies, prefer: Prefer = None, key: IdempotencyKey = None
) -> Response:
    """Edit a photo.

    Send it as the multipart form field `image`, with a field for each parameter or all of them as a JSON document in
    `parameters`.

    ```sh
    curl -F image=@room.jpg -F prompt='a bedroom at night' -F strength=0.6 http://127.0.0.1:8000/edits
    ```

    The finished pictures are at `/jobs/{id}/images/0.png` and so on, with the parameters in their metadata; the result
    tells seed, model, how much changed and how well the picture agrees with the words. `preserve` says what is kept
    as it is: `auto` finds what the words are about, `mask` keeps what is black in the file `mask`.
    """
    form = await read_edit_form(request, dependencies.settings)
    parameters = _preserving(read_parameters(form.fields), masked=form.mask is not None)
    sources = await _sources(dependencies, form)
    if sources.mask and form.mask is None:
        parameters = _preserving(parameters, masked=True)
    await asyncio.to_thread(check_sources, sources, [parameters], dependencies.settings, dependencies.image_limits)
    await _check_abilities(dependencies, [parameters])
    inputs = _inputs(request, form, parameters)
    submit = partial(asyncio.to_thread, submit_edit, dependencies, sources, parameters)
    job = await dependencies.idempotency.submit_once(key, inputs, submit)
    return await answer_job(request, dependencies, job, prefer, partial(edit_result, dependencies))


@router.post(
    "/edits/series",
    status_code=202,
    summary="Edit in series, to compare",
    response_model=Job,
    responses=examples.responses(_STARTED, 400, 404, 410, 413, 415, 422, 429, 503, 507),
    openapi_extra=_SERIES_FORM,
)
async def edit_series(
    request: Request, dependencies: InjectedDependencies, prefer: Prefer = None, key: IdempotencyKey = None
) -> Response:
    """Edit one photo under a grid of two parameters, or many photos under the same change.

    Everything else, the seed too, is the same for all pictures.

    ```sh
    curl -F image=@room.jpg http://127.0.0.1:8000/edits/series \\
         -F 'parameters={"base": {"prompt": "a bedroom at night"},
                         "rows": {"parameter": "strength", "values": [0.3, 0.5, 0.7]},
                         "columns": {"parameter": "seed", "values": [1, 2]}}'
    ```

    Answered as separate pictures and as one labelled contact sheet, `/jobs/{id}/contact-sheet.png`. A series lets
    single edits pass after every picture.
    """
    form = await read_edit_form(request, dependencies.settings, photo_fields=SERIES_PHOTO_FIELDS)
    series = read_json(SeriesParameters, form.fields)
    sources = await _sources(dependencies, form)
    series = series.model_copy(update={"base": _preserving(series.base, masked=sources.mask is not None)})
    pictures = [cell.parameters for cell in plan_series(series, [photo.filename for photo in sources.photos]).cells]
    settings, limits = dependencies.settings, dependencies.image_limits
    await asyncio.to_thread(check_sources, sources, pictures, settings, limits, several=True)
    await _check_abilities(dependencies, pictures)
    inputs = _inputs(request, form, series)
    submit = partial(asyncio.to_thread, submit_series, dependencies, sources, series)
    job = await dependencies.idempotency.submit_once(key, inputs, submit)
    return await answer_job(request, dependencies, job, prefer, partial(edit_result, dependencies))


@router.get(
    "/edits/capabilities",
    summary="List what the editor can do",
    responses=examples.responses(
        {200: examples.json_example("Tasks, schedulers, defaults", editing_examples.CAPABILITIES)}, 503
    ),
)
async def capabilities(dependencies: InjectedDependencies) -> EditorCapabilities:
    """List the tasks and schedulers of the editor's model, its defaults and size, and what to know before trusting
    it.
    """
    return await dependencies.editor.capabilities()


@router.get(
    "/jobs/{job_id}/images/{index}.png",
    summary="An edited picture",
    response_class=Response,
    responses=examples.responses(_PNG, 404, 503),
)
def job_image(
    dependencies: InjectedDependencies, job_id: JobId, index: Index, if_none_match: Cached = None
) -> Response:
    """Get an edited picture as PNG, from the moment it is finished, also while the job runs.

    Its metadata hold the parameters: as JSON in `framesense`, and in `parameters` as other programs write them.
    """
    return _picture(dependencies, job_id, PictureKind.IMAGE, index, if_none_match)


@router.get(
    "/jobs/{job_id}/images/{index}.jpg",
    summary="An edited picture's thumbnail",
    response_class=Response,
    responses=examples.responses({200: examples.binary_response("JPEG", "image/jpeg")}, 404, 503),
)
def job_image_thumbnail(dependencies: InjectedDependencies, job_id: JobId, index: Index) -> Response:
    """Get a small copy of an edited picture as JPEG, as on the contact sheet, from the moment it is finished."""
    jpeg = edit_thumbnail(dependencies, find_job(dependencies, job_id), index)
    return Response(jpeg, headers={"Cache-Control": _FOREVER}, media_type="image/jpeg")


@router.get(
    "/jobs/{job_id}/changes/{index}.png",
    summary="Where an edited picture changed",
    response_class=Response,
    responses=examples.responses(_PNG, 404, 503),
)
def job_change_map(
    dependencies: InjectedDependencies, job_id: JobId, index: Index, if_none_match: Cached = None
) -> Response:
    """Get the change map of a picture as PNG: white where it changed most, black where it is as the photo was."""
    return _picture(dependencies, job_id, PictureKind.CHANGE, index, if_none_match)


@router.get(
    "/jobs/{job_id}/masks/{index}.png",
    summary="Where an edited picture was to change",
    response_class=Response,
    responses=examples.responses(_PNG, 404, 503),
)
def job_mask(dependencies: InjectedDependencies, job_id: JobId, index: Index, if_none_match: Cached = None) -> Response:
    """Get the mask of a picture as PNG, white where it was to change: the mask sent, or the one that `preserve=auto`
    found; feathered.
    """
    return _picture(dependencies, job_id, PictureKind.MASK, index, if_none_match)


@router.get(
    "/jobs/{job_id}/sources/{index}",
    summary="A photo as it was sent",
    response_class=Response,
    responses=examples.responses({200: examples.binary_response("The file", "image/*")}, 404, 503),
)
def job_source(
    dependencies: InjectedDependencies,
    job_id: JobId,
    index: Annotated[int, Path(ge=0, le=999, description="the photo's place among those sent", examples=[0])],
) -> Response:
    """Get the photo that an edit was made of, as it was sent."""
    content, media_type = source_photo(dependencies, find_job(dependencies, job_id), index)
    headers = {"Cache-Control": _FOREVER, "X-Content-Type-Options": "nosniff"}
    return Response(content, headers=headers, media_type=media_type)


@router.get(
    "/jobs/{job_id}/contact-sheet.png",
    summary="All pictures of a series on one sheet",
    response_class=Response,
    responses=examples.responses({200: examples.binary_response("PNG", "image/png")}, 404, 503),
)
def job_contact_sheet(dependencies: InjectedDependencies, job_id: JobId) -> Response:
    """Get all pictures of a series on one sheet, labelled with what differs between them.

    The one that matches the words best is marked.
    """
    return Response(contact_sheet(dependencies, find_job(dependencies, job_id)), media_type="image/png")


@router.get(
    "/jobs/{job_id}/preview.jpg",
    summary="Get a preview of an edit under way",
    response_class=Response,
    responses=examples.responses({200: examples.binary_response("JPEG", "image/jpeg")}, 404, 503),
)
def job_preview(dependencies: InjectedDependencies, job_id: JobId) -> Response:
    """Get the picture that is being made, small and still noisy, while the job runs and for a few minutes
    afterwards.
    """
    jpeg = dependencies.jobs.preview(find_job(dependencies, job_id).id)
    if jpeg is None:
        detail = f"Job {job_id} has no preview now: no step of it is done, or it ended a while ago."
        raise ProblemError(404, "no-preview", "No preview", detail)
    return Response(jpeg, headers={"Cache-Control": "no-store"}, media_type="image/jpeg")


async def _sources(dependencies: Dependencies, form: EditForm) -> Sources:
    """Return the form's files, or those of the job that it names."""
    if form.job_id is None:
        return Sources(form.photos, form.mask)
    if form.photos:
        detail = "Send either photos or the 'job_id' of an earlier edit, not both."
        raise ProblemError(422, "two-sources", "Two sources", detail)
    earlier = await asyncio.to_thread(sources_of, dependencies, form.job_id)
    return Sources(earlier.photos, form.mask or earlier.mask)


def _inputs(request: Request, form: EditForm, parameters: EditParameters | SeriesParameters) -> Inputs:
    asked = parameters.model_dump(mode="json")
    return upload_inputs([*form.photos, form.mask], path=request.url.path, parameters=asked, job_id=form.job_id)


def _preserving(parameters: EditParameters, *, masked: bool) -> EditParameters:
    """Preserve what is black in the mask, where one was sent and nothing else was asked for."""
    if parameters.preserve is None and masked:
        return parameters.model_copy(update={"preserve": resolve_preserve(parameters, has_mask=True)})
    return parameters


async def _check_abilities(dependencies: Dependencies, pictures: list[EditParameters]) -> None:
    """Check that the model can do it. While the editor does not answer, nothing is refused: the job waits for it."""
    try:
        abilities = await dependencies.editor.capabilities()
    except ProblemError:
        return
    for parameters in pictures:
        check_capabilities(parameters, abilities)


def _picture(
    dependencies: Dependencies, job_id: str, picture: PictureKind, index: int, if_none_match: str | None
) -> Response:
    job = find_job(dependencies, job_id)
    tag = f'"{job.id}-{picture}-{index}"'
    headers = {"Cache-Control": _FOREVER, "ETag": tag}
    png = edit_picture(dependencies, job, picture, index)
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    return Response(png, headers=headers, media_type="image/png")
