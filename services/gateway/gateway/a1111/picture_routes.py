"""Enlarge pictures, describe them and read what they say of themselves, as A1111's clients ask for it."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from framesense.http.disconnects import unless_disconnected
from framesense.http.problems import ProblemError
from gateway.a1111 import interrogation
from gateway.a1111.extras import enlarge
from gateway.a1111.pictures import base64_text, picture_bytes
from gateway.a1111.png_info import read_png_info
from gateway.a1111.routing import CompatRoute, json_response, read_body
from gateway.a1111.schemas import (
    ExtraBatchRequest,
    ExtraBatchResponse,
    ExtraSingleRequest,
    ExtraSingleResponse,
    InterrogateRequest,
    InterrogateResponse,
    PngInfoRequest,
    PngInfoResponse,
)
from gateway.dependencies import InjectedDependencies
from gateway.openapi import a1111_examples, examples

sdapi = APIRouter(tags=["A1111 clients"], prefix="/sdapi/v1", route_class=CompatRoute)


@sdapi.post(
    "/extra-single-image",
    summary="Enlarge a picture",
    response_model=ExtraSingleResponse,
    responses=examples.responses(
        {200: examples.json_example("PNG in base64", a1111_examples.EXTRA)}, 404, 408, 409, 410, 413, 415, 503, 507
    ),
    openapi_extra=examples.json_body(ExtraSingleRequest, a1111_examples.EXTRA_SINGLE),
)
async def extra_single_image(request: Request, dependencies: InjectedDependencies) -> Response:
    """Enlarge a picture up to four times.

    `upscaler_1`: `Framesense` is the editor's own and becomes a job; `Lanczos` and `Nearest` are computed at once;
    `None` leaves the picture as it is.
    """
    body = await read_body(request, dependencies, ExtraSingleRequest)
    enlarged = await enlarge(request, dependencies, body, {"image": body.image})
    image = base64_text(enlarged.pngs[0]) if body.show_extras_results else None
    return json_response(ExtraSingleResponse(html_info=enlarged.html_info, image=image), enlarged.job)


@sdapi.post(
    "/extra-batch-images",
    summary="Enlarge several pictures",
    response_model=ExtraBatchResponse,
    responses=examples.responses(
        {200: examples.json_example("PNGs in base64", a1111_examples.EXTRAS)}, 404, 408, 409, 410, 413, 415, 503, 507
    ),
    openapi_extra=examples.json_body(ExtraBatchRequest, a1111_examples.EXTRA_BATCH),
)
async def extra_batch_images(request: Request, dependencies: InjectedDependencies) -> Response:
    """Enlarge several pictures as `extra-single-image` does, in the order sent.

    They are one job, which lets single edits pass after every picture.
    """
    body = await read_body(request, dependencies, ExtraBatchRequest)
    pictures = {f"imageList[{index}]": picture.data for index, picture in enumerate(body.imageList)}
    enlarged = await enlarge(request, dependencies, body, pictures)
    images = [base64_text(picture) for picture in enlarged.pngs]
    return json_response(ExtraBatchResponse(html_info=enlarged.html_info, images=images), enlarged.job)


@sdapi.post(
    "/interrogate",
    summary="Describe a picture in words",
    response_model=InterrogateResponse,
    responses=examples.responses(
        {200: examples.json_example("A caption", a1111_examples.CAPTION)}, 404, 408, 413, 415, 503
    ),
    openapi_extra=examples.json_body(InterrogateRequest, a1111_examples.INTERROGATE),
)
async def interrogate(request: Request, dependencies: InjectedDependencies) -> Response:
    """Describe a picture.

    `clip` is answered by the captioner, `deepdanbooru` (or `deepbooru`) by the tagger: the labels that fit, of the
    label set that `A1111_LABEL_SET` names, or of a list of everyday things.
    """
    body = await read_body(request, dependencies, InterrogateRequest)
    picture = await run_in_threadpool(picture_bytes, body.image, dependencies.image_limits, name="image")
    match body.model.lower():
        case "clip":
            words = interrogation.caption(dependencies.captioner, picture, request_id=request.state.request_id)
        case "deepdanbooru" | "deepbooru":
            labels = dependencies.settings.a1111_label_set
            words = interrogation.tags(
                dependencies.tagger, picture, label_set=labels, request_id=request.state.request_id
            )
        case _:
            detail = f"Model not found: {body.model[:100]!r}. There are clip and deepdanbooru."
            raise ProblemError(404, "unknown-model", "Model not found", detail)
    return json_response(InterrogateResponse(caption=await unless_disconnected(request, words)))


@sdapi.post(
    "/png-info",
    summary="Read a picture's metadata",
    response_model=PngInfoResponse,
    responses=examples.responses(
        {200: examples.json_example("Its parameters", a1111_examples.PNG_INFO)}, 408, 413, 415
    ),
    openapi_extra=examples.json_body(PngInfoRequest, a1111_examples.PNG_INFO_REQUEST),
)
async def png_info(request: Request, dependencies: InjectedDependencies) -> Response:
    """Read the texts in a PNG, or in EXIF's user comment: those that edits are answered with, and other programs'."""
    body = await read_body(request, dependencies, PngInfoRequest)
    return json_response(await run_in_threadpool(read_png_info, body.image, dependencies.image_limits))
