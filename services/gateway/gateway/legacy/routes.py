"""The endpoints of clients written before there were jobs: their addresses, fields, shapes and arithmetic."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from framesense.http.declared_names import ignore_unknown_names
from framesense.http.disconnects import unless_disconnected
from framesense.http.problems import ProblemError
from framesense.http.uploads import images_form, read_uploads
from framesense.schemas.arrays import EncodingFormat, to_numpy
from framesense.schemas.captions import Caption, CaptionExtra, CaptionResponse, hedged
from framesense.schemas.novelty import EveryNSecond, RollingWindowSize, VideoParameters
from gateway.captions.routes import image_limits
from gateway.dependencies import Dependencies, InjectedDependencies
from gateway.http.multipart import receive_form
from gateway.http.negotiation import HTML, TEXT, preferred_type
from gateway.jobs.events import wait_until_finished
from gateway.jobs.lookups import load_analysis
from gateway.legacy.answers import OlderMetric, captions_page, video_answer
from gateway.openapi import examples
from gateway.videos.submit import form_limits, submit_form

router = APIRouter(tags=["older clients"], dependencies=[Depends(ignore_unknown_names)])

_FIELDS = ("image", "images", "file")
"""The form fields an image may come in; the first is the one that the page's form has."""
_CAPTION_ANSWER = {
    "description": "The caption; on the page for browsers",
    "content": {
        TEXT: {"schema": {"type": "string"}, "example": "a dog runs through the grass"},
        HTML: {"schema": {"type": "string"}, "example": "<!doctype html>…"},
    },
}


@router.post(
    "/get_image_caption",
    summary="Caption an image, with its features and word vectors",
    responses=examples.responses(
        {200: examples.json_example("`encoders_out` is 1 × rows × columns × channels", examples.OLDER_IMAGE)},
        400,
        413,
        415,
        422,
        503,
    ),
    openapi_extra=images_form(_FIELDS[0], closed=False),
)
async def get_image_caption(request: Request, dependencies: InjectedDependencies) -> Response:
    """Caption an image, with its features and word vectors.

    New clients: use `/caption`, whose answer is smaller.
    """
    extras = [CaptionExtra.EMBEDDINGS.value, CaptionExtra.FEATURES.value]
    answer = await _caption(request, dependencies, {"return": extras, "encoding_format": EncodingFormat.BASE64.value})
    return Response(await asyncio.to_thread(_older_image, answer.captions[0]), media_type="application/json")


@router.post(
    "/get_video_captions",
    summary="Caption a video and wait for it",
    responses=examples.responses(
        {200: examples.json_example("One caption and one distance a frame", examples.OLDER_VIDEO)},
        400,
        408,
        409,
        410,
        413,
        415,
        422,
        503,
        507,
    ),
    openapi_extra=examples.form_body(
        {"video": {"type": "string", "format": "binary"}}, required=["video"], closed=False
    ),
)
async def get_video_captions(
    request: Request,
    dependencies: InjectedDependencies,
    every_n_second: Annotated[EveryNSecond, Query(description="seconds between two frames")] = 10.0,
    metric: Annotated[OlderMetric, Query(description="`cosine` is 1 / cosine similarity here")] = OlderMetric.EUCLIDEAN,
    rolling_window_size: Annotated[RollingWindowSize, Query(description="frames to compare a frame with")] = 3,
) -> Response:
    """Caption a video, and answer when all of it was seen.

    The distance is 0 until the window is full. New clients: use `/video_captions`, which answers at once and tells its
    progress.
    """
    parameters = VideoParameters(
        every_n_second=every_n_second, metric=metric.metric, rolling_window_size=rolling_window_size
    )
    async with receive_form(request, dependencies.settings.upload_folder, form_limits(dependencies)) as form:
        job = await submit_form(dependencies, form, parameters)
    try:
        finished = await unless_disconnected(request, wait_until_finished(dependencies.events, job.id))
    except BaseException:
        # Nobody but this request knows of the job.
        await asyncio.shield(asyncio.to_thread(dependencies.jobs.cancel, job.id))
        raise
    analysed = await asyncio.to_thread(load_analysis, dependencies, finished or job)
    return Response(await asyncio.to_thread(video_answer, analysed, parameters), media_type="application/json")


@router.get(
    "/get_captions",
    summary="A page to caption an image with",
    response_class=HTMLResponse,
    responses={200: examples.text_example("A form", "text/html", "<!doctype html>…")},
)
def captions_form() -> HTMLResponse:
    """Show people a page to choose a picture and get its caption. Needs no JavaScript."""
    return HTMLResponse(captions_page())


@router.post(
    "/get_captions",
    summary="Caption an image, as plain text or as the page",
    response_class=Response,
    responses=examples.responses(
        {200: _CAPTION_ANSWER},
        400,
        413,
        415,
        422,
        503,
    ),
    openapi_extra=images_form(_FIELDS[0], closed=False),
)
async def captions_answer(request: Request, dependencies: InjectedDependencies) -> Response:
    """Answer programs with the bare caption, one a line for several images; browsers, whose `Accept` prefers
    `text/html`, with the page, which tells errors too.
    """
    page = preferred_type(request, [TEXT, HTML]) == HTML
    vary = {"Vary": "Accept"}
    try:
        answer = await _caption(request, dependencies, {})
    except ProblemError as problem:
        if not page:
            raise
        return HTMLResponse(captions_page(error=problem.detail), problem.status, {**problem.headers, **vary})
    if page:
        guess_below = dependencies.settings.guess_below
        captions = [hedged(caption.caption, caption.confidence, guess_below) for caption in answer.captions]
        return HTMLResponse(captions_page(captions=captions), headers=vary)
    return PlainTextResponse("\n".join(caption.caption for caption in answer.captions), headers=vary)


async def _caption(request: Request, dependencies: Dependencies, query: dict[str, Any]) -> CaptionResponse:
    images = await read_uploads(request, image_limits(dependencies.settings), fields=_FIELDS)
    answer = dependencies.captioner.caption(images, query, request_id=request.state.request_id)
    return await unless_disconnected(request, answer)


def _older_image(caption: Caption) -> str:
    if caption.features is None or caption.embeddings is None:
        detail = "The loaded captioner gives no features or word vectors. Use POST /caption for the caption alone."
        raise ProblemError(422, "no-features", "No features", detail)
    answer = {
        "captions": caption.caption,
        "encoders_out": [to_numpy(caption.features).tolist()],
        "embedded_words": to_numpy(caption.embeddings.words).tolist(),
    }
    return json.dumps(answer)
