"""The A1111 API (stable-diffusion-webui), for clients that people already have. The subject is in ``compat_a1111``."""

import asyncio
from contextlib import aclosing
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError

from framesense.http.problems import ProblemError
from framesense.http.uploads import unless_disconnected
from framesense.media.images import ImageLimits
from framesense.schemas.edits import EditorCapabilities
from framesense.schemas.jobs import Job
from gateway.a1111 import interrogation, options
from gateway.a1111.answers import images_response
from gateway.a1111.extras import enlarge
from gateway.a1111.ownership import identities
from gateway.a1111.pictures import base64_text, picture_bytes
from gateway.a1111.png_info import read_png_info
from gateway.a1111.progress import EXPECTED, IDLE, progress_response, task_progress_response
from gateway.a1111.routing import CompatRoute, invalid
from gateway.a1111.running import ownership, pictures_of, run
from gateway.a1111.samplers import SCHEDULES, offered_samplers
from gateway.a1111.schemas import (
    Checkpoint,
    ExtraBatchRequest,
    ExtraBatchResponse,
    ExtraSingleRequest,
    ExtraSingleResponse,
    ImageRequest,
    ImagesResponse,
    Img2ImgRequest,
    InterrogateRequest,
    InterrogateResponse,
    MemoryResponse,
    NoiseSchedule,
    Options,
    PngInfoRequest,
    PngInfoResponse,
    ProgressResponse,
    Sampler,
    TaskProgressRequest,
    TaskProgressResponse,
    Txt2ImgRequest,
    Upscaler,
)
from gateway.a1111.translation import TranslatedEdit, from_photos, from_words
from gateway.dependencies import Components, Parts
from gateway.edits.jobs import with_position
from gateway.http.forwarding import limited_body
from gateway.openapi import a1111_examples as compat_examples
from gateway.openapi import examples
from gateway.settings import GatewaySettings

sdapi = APIRouter(tags=["A1111 clients"], prefix="/sdapi/v1", route_class=CompatRoute)
internal = APIRouter(tags=["A1111 clients"], prefix="/internal", route_class=CompatRoute)

Contract = TypeVar("Contract", bound=BaseModel)
JOB_HEADER = "X-Job-ID"
OwnTask = Annotated[
    str | None,
    Query(
        alias="id_task", description="the request's force_task_id, or a job's id; your own unfinished job by default"
    ),
]
OwnJob = Annotated[str | None, Query(alias="job_id", description="the same: another name for it")]


@sdapi.post(
    "/img2img",
    summary="Edit photos",
    response_model=ImagesResponse,
    responses=examples.responses(
        {200: examples.json_example("PNGs in base64", compat_examples.IMAGES)}, 404, 408, 409, 410, 413, 415, 503, 507
    ),
    openapi_extra=examples.json_body(Img2ImgRequest, compat_examples.IMG2IMG),
)
async def img2img(request: Request, parts: Parts) -> Response:
    """As that API has it, and answered when it is done; an ordinary edit job besides, whose id is in the header
    `X-Job-ID` and in `info`. Whoever hangs up cancels it. `info` also tells how much changed, and how well the
    picture agrees with the words. Unknown fields are ignored; what would change the picture and is not there is
    refused with the reason: see docs/a1111.md.

        pip install webuiapi
        python -c 'import webuiapi; print(webuiapi.WebUIApi(port=8000).get_samplers())'
    """
    body = await _read(request, parts, Img2ImgRequest)
    capabilities = await parts.editor.capabilities()
    limits, most = _limits(parts.settings), parts.settings.edit_max_photos
    edit = await asyncio.to_thread(from_photos, body, capabilities, limits, max_photos=most)
    return await _images(request, parts, body, edit, capabilities)


@sdapi.post(
    "/txt2img",
    summary="Make pictures from words",
    response_model=ImagesResponse,
    responses=examples.responses(
        {200: examples.json_example("PNGs in base64", compat_examples.IMAGES)}, 404, 408, 409, 410, 413, 503, 507
    ),
    openapi_extra=examples.json_body(Txt2ImgRequest, compat_examples.TXT2IMG),
)
async def txt2img(request: Request, parts: Parts) -> Response:
    """As `img2img`, without a photo; 422 where the loaded model can only edit."""
    body = await _read(request, parts, Txt2ImgRequest)
    capabilities = await parts.editor.capabilities()
    return await _images(request, parts, body, from_words(body, capabilities), capabilities)


@sdapi.post(
    "/extra-single-image",
    summary="Enlarge a picture",
    response_model=ExtraSingleResponse,
    responses=examples.responses(
        {200: examples.json_example("PNG in base64", compat_examples.EXTRA)}, 404, 408, 409, 410, 413, 415, 503, 507
    ),
    openapi_extra=examples.json_body(ExtraSingleRequest, compat_examples.EXTRA_SINGLE),
)
async def extra_single_image(request: Request, parts: Parts) -> Response:
    """`upscaler_1`: `Framesense` is the editor's own and becomes a job; `Lanczos` and `Nearest` are computed at once;
    `None` leaves the picture as it is. Up to four times."""
    body = await _read(request, parts, ExtraSingleRequest)
    enlarged = await enlarge(request, parts, body, {"image": body.image})
    image = base64_text(enlarged.pngs[0]) if body.show_extras_results else None
    return _json(ExtraSingleResponse(html_info=enlarged.html_info, image=image), enlarged.job)


@sdapi.post(
    "/extra-batch-images",
    summary="Enlarge several pictures",
    response_model=ExtraBatchResponse,
    responses=examples.responses(
        {200: examples.json_example("PNGs in base64", compat_examples.EXTRAS)}, 404, 408, 409, 410, 413, 415, 503, 507
    ),
    openapi_extra=examples.json_body(ExtraBatchRequest, compat_examples.EXTRA_BATCH),
)
async def extra_batch_images(request: Request, parts: Parts) -> Response:
    """As `extra-single-image`, in the order sent: one job, which lets single edits pass after every picture."""
    body = await _read(request, parts, ExtraBatchRequest)
    pictures = {f"imageList[{index}]": picture.data for index, picture in enumerate(body.imageList)}
    enlarged = await enlarge(request, parts, body, pictures)
    images = [base64_text(picture) for picture in enlarged.pngs]
    return _json(ExtraBatchResponse(html_info=enlarged.html_info, images=images), enlarged.job)


@sdapi.post(
    "/interrogate",
    summary="A picture in words",
    response_model=InterrogateResponse,
    responses=examples.responses(
        {200: examples.json_example("A caption", compat_examples.CAPTION)}, 404, 408, 413, 415, 503
    ),
    openapi_extra=examples.json_body(InterrogateRequest, compat_examples.INTERROGATE),
)
async def interrogate(request: Request, parts: Parts) -> Response:
    """`clip` is answered by the captioner, `deepdanbooru` (or `deepbooru`) by the tagger: the labels that fit, of the
    label set that `A1111_LABEL_SET` names, or of a list of everyday things."""
    body = await _read(request, parts, InterrogateRequest)
    picture = await run_in_threadpool(picture_bytes, body.image, _limits(parts.settings), name="image")
    match body.model.lower():
        case "clip":
            words = interrogation.caption(parts.captioner, picture, request_id=request.state.request_id)
        case "deepdanbooru" | "deepbooru":
            labels = parts.settings.a1111_label_set
            words = interrogation.tags(parts.tagger, picture, label_set=labels, request_id=request.state.request_id)
        case _:
            detail = f"Model not found: {body.model[:100]!r}. There are clip and deepdanbooru."
            raise ProblemError(404, "unknown-model", "Model not found", detail)
    return _json(InterrogateResponse(caption=await unless_disconnected(request, words)))


@sdapi.post(
    "/png-info",
    summary="What a picture says of itself",
    response_model=PngInfoResponse,
    responses=examples.responses(
        {200: examples.json_example("Its parameters", compat_examples.PNG_INFO)}, 408, 413, 415
    ),
    openapi_extra=examples.json_body(PngInfoRequest, compat_examples.PNG_INFO_REQUEST),
)
async def png_info(request: Request, parts: Parts) -> Response:
    """The texts in a PNG (or in EXIF's user comment): those that edits are answered with, and other programs'."""
    body = await _read(request, parts, PngInfoRequest)
    return _json(await run_in_threadpool(read_png_info, body.image, _limits(parts.settings)))


@sdapi.get(
    "/progress",
    summary="How far is my job?",
    responses=examples.responses(
        {200: examples.json_example("Of a job that runs", compat_examples.PROGRESS)}, 404, 503
    ),
)
def progress(
    request: Request,
    parts: Parts,
    id_task: OwnTask = None,
    job_id: OwnJob = None,
    skip_current_image: Annotated[bool, Query(description="leave the preview out")] = False,
) -> ProgressResponse:
    """Of the job named, or of your own: the unfinished one of the same `X-Client-ID` header; without one, of the same
    cookie; without either, of the same address and credentials. `progress` and `state.job_count` are 0 where you have
    none, and for an `id_task` that has not arrived yet."""
    if id_task and ownership(parts).get(id_task) is None:
        return EXPECTED
    job = _own_job(request, parts, id_task or job_id)
    if job is None:
        return IDLE
    preview = None if skip_current_image else parts.jobs.preview(job.id)
    return progress_response(job, pictures_of(parts, job), preview)


@internal.post(
    "/progress",
    summary="How far is a task?",
    responses=examples.responses(
        {200: examples.json_example("Of a task that waits", compat_examples.TASK_PROGRESS)}, 408, 413, 503
    ),
    openapi_extra=examples.json_body(TaskProgressRequest, compat_examples.TASK_PROGRESS_REQUEST),
)
async def task_progress(request: Request, parts: Parts) -> TaskProgressResponse:
    """That server's own page asks so, by the `force_task_id` that it gave the task."""
    body = await _read(request, parts, TaskProgressRequest)
    return await run_in_threadpool(_task_progress, parts, body)


@sdapi.post(
    "/interrupt",
    summary="Cancel my job",
    responses=examples.responses({200: examples.json_example("Nothing", {})}, 404, 503),
)
def interrupt(request: Request, parts: Parts, id_task: OwnTask = None, job_id: OwnJob = None) -> dict[str, Any]:
    """The job named, or your own as `progress` finds it: nobody else's. The pictures that it had made are answered to
    whoever waits for it. Does nothing where there is none."""
    if job := _own_job(request, parts, id_task or job_id):
        parts.jobs.cancel(job.id)
    return {}


@sdapi.post(
    "/skip",
    summary="Cancel my job of one picture",
    responses=examples.responses({200: examples.json_example("Nothing", {})}, 404, 409, 503),
)
def skip(request: Request, parts: Parts, id_task: OwnTask = None, job_id: OwnJob = None) -> dict[str, Any]:
    """As `interrupt`; 409 for a job of several pictures, of which none is passed over alone."""
    job = _own_job(request, parts, id_task or job_id)
    if job and pictures_of(parts, job) > 1:
        detail = f"Job {job.id} makes several pictures, and none of them is passed over alone. /interrupt ends it."
        raise ProblemError(409, "cannot-skip", "Cannot skip", detail)
    if job:
        parts.jobs.cancel(job.id)
    return {}


@sdapi.get(
    "/options",
    summary="The server's settings",
    responses=examples.responses(
        {200: examples.json_example("As far as they are true here", compat_examples.OPTIONS)}, 503
    ),
)
async def get_options(parts: Parts) -> dict[str, Any]:
    """Those that clients ask for, `sd_model_checkpoint` among them."""
    return options.options(await parts.editor.capabilities())


@sdapi.post(
    "/options",
    summary="Set what is so already",
    response_model=None,
    responses=examples.responses({200: examples.json_example("Nothing", {})}, 404, 408, 413, 503),
    openapi_extra=examples.json_body(Options, Options(sd_model_checkpoint=compat_examples.CHECKPOINT.title)),
)
async def set_options(request: Request, parts: Parts) -> dict[str, Any]:
    """Clients choose the model before they start: the loaded one is taken, by its title, name or hash. What would
    change the server for everybody is refused: 404 for another model, 422 for other settings."""
    body = await _read(request, parts, Options)
    options.refuse_changes(body.model_dump(exclude_unset=True), await parts.editor.capabilities(), where="options")
    return {}


@sdapi.get(
    "/sd-models",
    summary="The loaded model",
    responses=examples.responses({200: compat_examples.listed("Always one", [compat_examples.CHECKPOINT])}, 503),
)
async def sd_models(parts: Parts) -> list[Checkpoint]:
    """`EDITOR_MODEL` chooses it where the editor is started."""
    return [options.checkpoint((await parts.editor.capabilities()).model)]


@sdapi.get(
    "/samplers",
    summary="The samplers that the model takes",
    responses=examples.responses({200: compat_examples.listed("By that API's names", compat_examples.SAMPLERS)}, 503),
)
async def samplers(parts: Parts) -> list[Sampler]:
    """`/edits` has them too, under names of its own."""
    return offered_samplers(await parts.editor.capabilities())


@sdapi.get(
    "/schedulers",
    summary="The noise schedules",
    responses=examples.responses({200: compat_examples.listed("Each sampler's own", SCHEDULES)}),
)
def schedulers() -> list[NoiseSchedule]:
    """There is no choice: every sampler has its own."""
    return SCHEDULES


@sdapi.get(
    "/upscalers",
    summary="What enlarges pictures",
    responses=examples.responses({200: compat_examples.listed("By name", compat_examples.UPSCALERS)}, 503),
)
async def upscalers(parts: Parts) -> list[Upscaler]:
    """For `upscaler_1` of `extra-single-image` and `extra-batch-images`."""
    return options.upscalers(await parts.editor.capabilities())


@sdapi.get(
    "/memory",
    summary="The gateway's memory",
    responses=examples.responses({200: examples.json_example("Bytes", compat_examples.MEMORY)}),
)
def memory() -> MemoryResponse:
    """Of the machine that answers. The model may be on another, whose `/metrics` tell."""
    return options.memory()


@sdapi.get(
    "/cmd-flags",
    summary="Command line flags",
    responses=examples.responses({200: examples.json_example("That clients look for", options.flags())}),
)
def cmd_flags() -> dict[str, Any]:
    """As far as they mean anything here."""
    return options.flags()


@sdapi.get(
    "/{kind}",
    summary="Lists of what this server does not have",
    responses=examples.responses({200: examples.json_example("Empty, in that API's shape", {"txt2img": []})}, 404),
)
def nothing(
    kind: Annotated[str, Path(description=f"one of {', '.join(options.NOTHING)}", examples=["loras"])],
) -> Any:
    """So that clients which ask for them go on."""
    if kind not in options.NOTHING:
        detail = f"There is nothing at /sdapi/v1/{kind[:100]}. /docs lists what there is."
        raise ProblemError(404, "unknown-list", "Not Found", detail)
    return options.NOTHING[kind]


@sdapi.post(
    "/refresh-{kind}",
    summary="Look for new files",
    responses=examples.responses({200: examples.json_example("Nothing", {})}, 404),
)
def refresh(
    kind: Annotated[Literal["checkpoints", "vae", "loras", "embeddings"], Path(description="what to look for")],
) -> dict[str, Any]:
    """Does nothing: the model is chosen where the editor is started."""
    return {}


router = APIRouter()
router.include_router(sdapi)
router.include_router(internal)


async def _images(
    request: Request, parts: Components, body: ImageRequest, edit: TranslatedEdit, capabilities: EditorCapabilities
) -> Response:
    finished = await run(request, parts, edit, capabilities, task=body.force_task_id)
    answer = await asyncio.to_thread(images_response, body, edit, finished)
    return _json(answer, finished.job)


async def _read(request: Request, parts: Components, contract: type[Contract]) -> Contract:
    """Raises ProblemError: 413 and 408 while it arrives, 422 for what it says."""
    settings = parts.settings
    async with aclosing(limited_body(request, settings.max_image_request_bytes, settings.upload_idle_timeout)) as body:
        document = b"".join([chunk async for chunk in body])
    try:
        return await asyncio.to_thread(contract.model_validate_json, document)
    except ValidationError as error:
        raise invalid(error.errors()) from error


def _task_progress(parts: Components, body: TaskProgressRequest) -> TaskProgressResponse:
    job = ownership(parts).get(body.id_task)
    if job is None:
        return task_progress_response(None, None)
    preview = parts.jobs.preview(job.id) if body.live_preview else None
    return task_progress_response(with_position(parts, job), preview)


def _own_job(request: Request, parts: Components, name: str | None) -> Job | None:
    """The job named, or the client's own unfinished one, with its place in the queue. Raises a 404 problem."""
    own = ownership(parts)
    job = own.find(name) if name else own.current(identities(request))
    return with_position(parts, job) if job else None


def _json(answer: BaseModel, job: Job | None = None) -> Response:
    return Response(
        answer.model_dump_json(), headers={JOB_HEADER: job.id} if job else {}, media_type="application/json"
    )


def _limits(settings: GatewaySettings) -> ImageLimits:
    return ImageLimits(settings.max_image_bytes, settings.max_image_pixels)
