"""Captions of images, answered at once."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from framesense.http.uploads import UploadLimits, images_form
from framesense.schemas.arrays import EncodingFormat
from framesense.schemas.captions import CaptionResponse
from gateway.dependencies import InjectedDependencies
from gateway.http.forwarding import Body, form_body, forward
from gateway.openapi import examples
from gateway.settings import GatewaySettings

router = APIRouter(tags=["captions"])


@router.post(
    "/caption",
    summary="Caption one or many images",
    response_model=CaptionResponse,
    responses=examples.responses(
        {200: examples.json_example("One caption an image, in the order sent", examples.CAPTIONS)},
        400,
        408,
        413,
        415,
        422,
        503,
    ),
    openapi_extra=images_form(),
)
async def caption(
    request: Request,
    dependencies: InjectedDependencies,
    beams: Annotated[int, Query(ge=1, description="width of the beam search; 1 is greedy")] = 4,
    max_tokens: Annotated[int, Query(ge=1, description="captions are cut after so many tokens")] = 24,
    extras: Annotated[
        list[str] | None,
        Query(alias="return", description="embeddings, attention, features; repeated or separated by commas"),
    ] = None,
    encoding_format: Annotated[EncodingFormat, Query(description="how arrays are written")] = EncodingFormat.FLOAT,
) -> Response:
    """Send the images as multipart form fields named `images` (also `image` or `file`).

    Any of JPEG, PNG, WebP, GIF, BMP, TIFF and the like: turned upright as their EXIF data asks, alpha on white, the
    first frame of an animation.

    ```sh
    curl -F images=@dog.jpg 'http://127.0.0.1:8000/caption?beams=4&return=embeddings'
    ```
    """
    query: dict[str, Any] = {"beams": beams, "max_tokens": max_tokens, "encoding_format": encoding_format.value}
    if extras:
        query["return"] = extras
    return await forward(
        request, dependencies.captioner, "/caption", query=query, body=images_body(request, dependencies.settings)
    )


def images_body(request: Request, settings: GatewaySettings) -> Body:
    """Pass a form of images on while it arrives, within the limits of one request."""
    return form_body(request, image_limits(settings), settings.upload_idle_timeout)


def image_limits(settings: GatewaySettings) -> UploadLimits:
    """Return how many images, and how large ones, a request may carry."""
    return UploadLimits(
        max_bytes=settings.max_image_request_bytes,
        max_file_bytes=settings.max_image_bytes,
        max_files=settings.max_images_per_request,
    )
