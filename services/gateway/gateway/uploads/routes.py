"""Resumable uploads: the tus 1.0 protocol over HTTP."""

from email.utils import formatdate
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from framesense.http.declared_names import ignore_unknown_names
from framesense.http.multipart import body_chunks
from framesense.http.problems import ProblemError
from framesense.schemas.problems import problem_responses
from gateway.dependencies import Dependencies, InjectedDependencies
from gateway.jobs.submission import require_quota
from gateway.uploads.tus import TUS_EXTENSIONS, TUS_VERSION, Resumable, read_metadata, upload_name

PATCH_MEDIA_TYPE = "application/offset+octet-stream"


def _tus_resumable(tus_resumable: Annotated[str | None, Header(include_in_schema=False)] = None) -> None:
    """Raise a 412 problem for a version other than ours."""
    if tus_resumable != TUS_VERSION:
        detail = (
            f"This server speaks version {TUS_VERSION} of the tus protocol; say so with Tus-Resumable: {TUS_VERSION}."
        )
        headers = {"Tus-Version": TUS_VERSION}
        raise ProblemError(412, "unsupported-tus-version", "Unsupported protocol version", detail, headers=headers)


# tus clients add parameters of their own to the address, as the protocol lets them.
router = APIRouter(prefix="/uploads", tags=["uploads"], dependencies=[Depends(ignore_unknown_names)])
speaks_tus = [Depends(_tus_resumable)]
# Described as required, though the framework does not require them: tus asks for other statuses than 422.
_VERSION = {
    "name": "Tus-Resumable",
    "in": "header",
    "required": True,
    "description": "the protocol's version",
    "schema": {"type": "string", "const": TUS_VERSION},
}
_LENGTH = {
    "name": "Upload-Length",
    "in": "header",
    "required": True,
    "description": "bytes of the whole file",
    "schema": {"type": "integer", "minimum": 1},
    "example": 18204511,
}

UploadId = Annotated[
    str, Path(description="the last part of the upload's Location", examples=["5d0e7c2b9a4f4c1e8b6a3d2f1c0b9a88"])
]


@router.options("", status_code=204, summary="What the upload server can do", responses=problem_responses(422, 503))
def capabilities(dependencies: InjectedDependencies) -> Response:
    """Tell the protocol's version, its extensions and the largest upload, as headers.

    Also the largest video and photo set.
    """
    headers = {"Tus-Version": TUS_VERSION, "Tus-Extension": TUS_EXTENSIONS}
    headers["Tus-Max-Size"] = str(dependencies.uploads.max_bytes)
    headers["Max-Video-Size"] = str(dependencies.settings.max_video_bytes)
    headers["Max-Photo-Set-Size"] = str(dependencies.settings.max_photo_set_bytes)
    return Response(status_code=204, headers=headers)


@router.post(
    "",
    status_code=201,
    summary="Begin a resumable upload",
    response_class=Response,
    dependencies=speaks_tus,
    responses=problem_responses(400, 404, 408, 409, 412, 413, 415, 422, 423, 503, 507),
    openapi_extra={"parameters": [_VERSION, _LENGTH]},
)
async def create_upload(
    request: Request,
    dependencies: InjectedDependencies,
    upload_length: Annotated[int | None, Header(include_in_schema=False)] = None,
    upload_metadata: Annotated[
        str, Header(description="`filename` and its base64", examples=["filename c3RyZWV0Lm1wNA=="])
    ] = "",
) -> Response:
    """Begin an upload, and answer its address as Location.

    Send the bytes there with PATCH; when all have arrived, name the upload as `upload_id` of `/video_captions` or
    `/photo-sets`. Any tus client does this, tus-js-client for instance. The first bytes may come with this request, as
    the body of type `application/offset+octet-stream`.
    """
    if upload_length is None:
        raise ProblemError(400, "missing-length", "Missing length", "Say how many bytes will come: Upload-Length: N.")
    name = upload_name(read_metadata(upload_metadata))
    upload = await run_in_threadpool(_create, dependencies, upload_length, name)
    if request.headers.get("content-type") == PATCH_MEDIA_TYPE:
        body = body_chunks(request, dependencies.settings.upload_idle_timeout)
        upload = await dependencies.uploads.append(upload.id, 0, body)
    return Response(status_code=201, headers={"Location": f"/uploads/{upload.id}", **_headers(upload)})


@router.head(
    "/{upload_id}",
    summary="How much of an upload has arrived",
    response_class=Response,
    dependencies=speaks_tus,
    responses=problem_responses(404, 412, 422),
    openapi_extra={"parameters": [_VERSION]},
)
def upload_offset(dependencies: InjectedDependencies, upload_id: UploadId) -> Response:
    """Tell by Upload-Offset where to go on after a dropped connection."""
    return Response(status_code=200, headers=_headers(dependencies.uploads.get(upload_id)))


@router.patch(
    "/{upload_id}",
    status_code=204,
    summary="Send a part of an upload",
    dependencies=speaks_tus,
    responses=problem_responses(404, 408, 409, 412, 413, 415, 422, 423, 507),
    openapi_extra={
        "parameters": [_VERSION],
        "requestBody": {
            "required": True,
            "content": {PATCH_MEDIA_TYPE: {}},  # bytes have no schema (OpenAPI 3.1, 4.14.1)
        },
    },
)
async def append_to_upload(
    request: Request,
    dependencies: InjectedDependencies,
    upload_id: UploadId,
    upload_offset: Annotated[int, Header(ge=0, description="where this part begins: what HEAD answered", examples=[0])],
) -> Response:
    """Add the body at Upload-Offset, which must be where the upload stands.

    What arrives before the connection breaks is kept.
    """
    if request.headers.get("content-type") != PATCH_MEDIA_TYPE:
        raise ProblemError(
            415, "unsupported-media-type", "Unsupported media type", f"Send Content-Type: {PATCH_MEDIA_TYPE}."
        )
    body = body_chunks(request, dependencies.settings.upload_idle_timeout)
    upload = await dependencies.uploads.append(upload_id, upload_offset, body)
    return Response(status_code=204, headers=_headers(upload))


@router.delete(
    "/{upload_id}",
    status_code=204,
    summary="Give an upload up",
    dependencies=speaks_tus,
    responses=problem_responses(404, 412, 422),
    openapi_extra={"parameters": [_VERSION]},
)
def delete_upload(dependencies: InjectedDependencies, upload_id: UploadId) -> Response:
    """Delete what has arrived.

    Uploads that nobody touches for `UPLOAD_EXPIRY` seconds are deleted as well.
    """
    dependencies.uploads.get(upload_id)
    dependencies.uploads.delete(upload_id)
    return Response(status_code=204)


def _create(dependencies: Dependencies, length: int, name: str) -> Resumable:
    require_quota(dependencies, length, uploads=dependencies.uploads.stored())
    return dependencies.uploads.create(length=length, name=name)


def _headers(upload: Resumable) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Length": str(upload.length),
        "Upload-Expires": formatdate(upload.expires, usegmt=True),
        "Cache-Control": "no-store",
    }
