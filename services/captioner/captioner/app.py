"""The captioner's routes."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from prometheus_client import CollectorRegistry

from captioner.answers import caption_response
from captioner.captioning import Captioner, CaptionOptions
from captioner.models.factory import require_captioner
from captioner.options import parse_extras
from captioner.serving import BatchedCaptioner
from captioner.settings import CaptionerSettings
from framesense.http.disconnects import unless_disconnected
from framesense.http.uploads import UploadLimits, images_form, read_uploads
from framesense.schemas.arrays import EncodingFormat
from framesense.schemas.captions import CaptionResponse
from framesense.schemas.problems import problem_responses
from framesense.serving.app import create_model_server
from framesense.serving.batch_metrics import BatchMetrics
from framesense.serving.routes import model_routes
from framesense.serving.runtime import ModelRuntime


def create_app(
    settings: CaptionerSettings | None = None, *, load: Callable[[CaptionerSettings], Captioner] = Captioner.load
) -> FastAPI:
    """Build the application; ``load`` is called in the background, once it starts and whenever the model is
    switched.
    """
    settings = settings or CaptionerSettings()
    registry = CollectorRegistry()
    observer = BatchMetrics(registry, "captioner")

    def load_named(name: str) -> BatchedCaptioner:
        chosen = settings.model_copy(update={"captioner_model": name})
        return BatchedCaptioner(load(chosen), chosen, observer)

    policy = settings.policy(settings.captioner_load, settings.captioner_unload_after)
    runtime = ModelRuntime("captioner", settings.captioner_model, load_named, policy, accepts=require_captioner)
    limits = UploadLimits(
        max_bytes=settings.captioner_max_request_bytes,
        max_file_bytes=settings.max_image_bytes,
        max_files=settings.captioner_max_images,
    )

    app = create_model_server(
        "Framesense captioner", runtime, settings, address=settings.captioner_host, registry=registry
    )

    @app.post(
        "/caption",
        tags=["captions"],
        summary="Caption one or many images",
        response_model=CaptionResponse,
        responses=problem_responses(400, 413, 415, 422, 503),
        openapi_extra=images_form(),
    )
    async def caption(
        request: Request,
        beams: Annotated[
            int, Query(ge=1, le=settings.captioner_max_beams, description="width of the beam search; 1 is greedy")
        ] = 4,
        max_tokens: Annotated[
            int, Query(ge=1, le=settings.captioner_max_tokens, description="captions are cut after so many")
        ] = 24,
        extras: Annotated[
            list[str] | None,
            Query(
                alias="return",
                description="embeddings, attention, features, visual, patches, pooled; repeated or comma-separated",
            ),
        ] = None,
        encoding_format: Annotated[EncodingFormat, Query(description="how arrays are written")] = EncodingFormat.FLOAT,
    ) -> Response:
        options = CaptionOptions(beams, max_tokens, parse_extras(extras or []))
        uploads = await read_uploads(request, limits)
        async with runtime.use() as model:
            described = await unless_disconnected(request, model.caption(uploads, options))
            info = model.info
        if not options.extras:
            return caption_response(described, options.extras, info, encoding_format)
        return await asyncio.to_thread(caption_response, described, options.extras, info, encoding_format)

    app.include_router(model_routes(runtime))
    return app
