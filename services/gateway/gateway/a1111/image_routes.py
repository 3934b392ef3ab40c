"""Edit photos (img2img) and make pictures from words (txt2img), as A1111's clients ask for it."""

import asyncio

from fastapi import APIRouter, Request, Response

from framesense.schemas.edits import EditorCapabilities
from gateway.a1111.answers import images_response
from gateway.a1111.routing import CompatRoute, json_response, read_body
from gateway.a1111.running import run
from gateway.a1111.schemas import (
    ImageRequest,
    ImagesResponse,
    Img2ImgRequest,
    Txt2ImgRequest,
)
from gateway.a1111.translation import TranslatedEdit, from_photos, from_words
from gateway.dependencies import Dependencies, InjectedDependencies
from gateway.openapi import a1111_examples, examples

sdapi = APIRouter(tags=["A1111 clients"], prefix="/sdapi/v1", route_class=CompatRoute)


@sdapi.post(
    "/img2img",
    summary="Edit photos",
    response_model=ImagesResponse,
    responses=examples.responses(
        {200: examples.json_example("PNGs in base64", a1111_examples.IMAGES)}, 404, 408, 409, 410, 413, 415, 503, 507
    ),
    openapi_extra=examples.json_body(Img2ImgRequest, a1111_examples.IMG2IMG),
)
async def img2img(request: Request, dependencies: InjectedDependencies) -> Response:
    """Edit one photo or several, and answer when the pictures are done.

    The edit is an ordinary job besides: its id is in the header `X-Job-ID` and in `info`. Hanging up cancels it. `info`
    also tells how much changed, and how well the picture agrees with the words. Unknown fields are ignored; fields that
    would change the picture and are not supported are refused with the reason: see docs/a1111.md.

        pip install webuiapi
        python -c 'import webuiapi; print(webuiapi.WebUIApi(port=8000).get_samplers())'
    """
    body = await read_body(request, dependencies, Img2ImgRequest)
    capabilities = await dependencies.editor.capabilities()
    limits, most = dependencies.image_limits, dependencies.settings.edit_max_photos
    edit = await asyncio.to_thread(from_photos, body, capabilities, limits, max_photos=most)
    return await _images(request, dependencies, body, edit, capabilities)


@sdapi.post(
    "/txt2img",
    summary="Make pictures from words",
    response_model=ImagesResponse,
    responses=examples.responses(
        {200: examples.json_example("PNGs in base64", a1111_examples.IMAGES)}, 404, 408, 409, 410, 413, 503, 507
    ),
    openapi_extra=examples.json_body(Txt2ImgRequest, a1111_examples.TXT2IMG),
)
async def txt2img(request: Request, dependencies: InjectedDependencies) -> Response:
    """Make pictures without a photo, in the same way as `img2img`. Answers 422 where the loaded model can only edit."""
    body = await read_body(request, dependencies, Txt2ImgRequest)
    capabilities = await dependencies.editor.capabilities()
    return await _images(request, dependencies, body, from_words(body, capabilities), capabilities)


async def _images(
    request: Request,
    dependencies: Dependencies,
    body: ImageRequest,
    edit: TranslatedEdit,
    capabilities: EditorCapabilities,
) -> Response:
    finished = await run(request, dependencies, edit, capabilities, task=body.force_task_id)
    answer = await asyncio.to_thread(images_response, body, edit, finished)
    return json_response(answer, finished.job)
