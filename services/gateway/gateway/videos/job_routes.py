"""An analysed video: its curves, frames and clips, search in it, and the video itself."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import VideoPayload
from framesense.schemas.names import KeptName
from framesense.schemas.novelty import NoveltyCurve, RollingWindowSize, SearchResult, Signal
from framesense.storage.analyses import video_key
from gateway.dependencies import Dependencies, InjectedDependencies
from gateway.http.ranges import blob_response
from gateway.jobs.lookups import JobId, analysis_of, find_job, load_analysis, payload_of, require_video
from gateway.openapi import examples
from gateway.uploads.sniffing import HEAD_BYTES, VIDEO_MEDIA_TYPES, video_media_type
from gateway.videos.heatmaps import heat_map_png
from gateway.videos.made_files import stream_by_itself
from gateway.videos.novelty_query import AS_BEFORE, Changes
from gateway.videos.search import search

router = APIRouter(tags=["videos"], prefix="/jobs")

A_YEAR = 31_536_000


@router.get(
    "/{job_id}/novelty",
    summary="Another metric, window or signal",
    responses=examples.responses(
        {200: examples.json_example("The curve and its moments", examples.CURVE)}, *examples.OF_JOB_RESULTS
    ),
)
def job_novelty(dependencies: InjectedDependencies, job_id: JobId, changes: Changes) -> NoveltyCurve:
    """Compute the curve of other parameters at once, from the stored embeddings.

    What is left out is as in the job's parameters.
    """
    analysed = load_analysis(dependencies, find_job(dependencies, job_id))
    return dependencies.videos.curve(analysed, analysed.parameters(changes.model_dump(exclude_none=True)))


@router.get(
    "/{job_id}/search",
    summary="Search a video in words",
    response_model=SearchResult,
    responses=examples.responses(
        {200: examples.json_example("The curve and its best moments", examples.SEARCH_RESULT)}, *examples.OF_JOB_RESULTS
    ),
)
async def job_search(
    dependencies: InjectedDependencies,
    job_id: JobId,
    q: Annotated[str, Query(min_length=1, max_length=200, description="what to look for", examples=["a red car"])],
    limit: Annotated[int, Query(ge=1, le=100, description="most moments to answer")] = 10,
) -> Response:
    """Search a video's frames for what their pictures show.

    How well each frame fits the words is told by the embeddings that were stored with its caption: no picture is
    looked at again.

    ```sh
    curl -G http://127.0.0.1:8000/jobs/$ID/search --data-urlencode 'q=a red car'
    ```
    """
    job = await run_in_threadpool(find_job, dependencies, job_id)
    analysed = await run_in_threadpool(load_analysis, dependencies, job)
    result = await search(analysed, q, dependencies.tagger, limit=limit)
    # pydantic writes a hundred thousand numbers at once; FastAPI's way would look at each of them again.
    return Response(result.model_dump_json(), media_type="application/json")


@router.get(
    "/{job_id}/frames/{index}.jpg",
    summary="A frame's thumbnail",
    response_class=Response,
    responses=examples.responses(
        {200: examples.binary_response("JPEG", "image/jpeg"), 304: {"description": "Unchanged"}}, 404, 503
    ),
)
def job_frame(
    dependencies: InjectedDependencies,
    job_id: JobId,
    index: Annotated[int, Path(ge=0, le=10**8, description="the frame's index in the result", examples=[3])],
    if_none_match: Annotated[str | None, Header(description="the ETag of the copy you have")] = None,
) -> Response:
    """Return a frame's thumbnail, from the moment the frame was captioned, also while the job runs.

    It never changes: cache it.
    """
    key = analysis_of(dependencies, find_job(dependencies, job_id))
    headers = {"Cache-Control": f"public, max-age={A_YEAR}, immutable", "ETag": f'"{key}-{index}"'}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    try:
        jpeg = dependencies.analyses.thumbnail(key, index) if key else None
    except FileNotFoundError:
        jpeg = None
    if jpeg is None:
        detail = f"Job {job_id} has no frame {index}, or not yet."
        raise ProblemError(404, "unknown-frame", "Unknown frame", detail)
    return Response(jpeg, headers=headers, media_type="image/jpeg")


@router.get(
    "/{job_id}/frames/{index}/heatmap.png",
    summary="Where in a frame something is odd",
    response_class=Response,
    responses=examples.responses(
        {200: examples.binary_response("PNG with transparency", "image/png")}, *examples.OF_JOB_RESULTS
    ),
)
def job_heat_map(
    dependencies: InjectedDependencies,
    job_id: JobId,
    index: Annotated[int, Path(ge=0, le=10**8, description="the frame's index in the result", examples=[3])],
    reference: Annotated[
        KeptName | None, Query(description="compare with this footage instead of the frames before")
    ] = None,
    rolling_window_size: Annotated[RollingWindowSize | None, Query(description=AS_BEFORE)] = None,
    overlay: Annotated[bool, Query(description="over the thumbnail; else by itself, to be laid over it")] = True,
) -> Response:
    """Paint where in a frame something is odd, for cameras that stand still.

    Each patch is compared with the nearest of those seen at its height before. Red is as odd as anything in this video,
    transparent is familiar.
    """
    analysed = load_analysis(dependencies, find_job(dependencies, job_id))
    if index >= len(analysed.frames):
        raise ProblemError(404, "unknown-frame", "Unknown frame", f"Job {job_id} has no frame {index}.")
    changes = {"reference": reference, "rolling_window_size": rolling_window_size}
    given = {name: value for name, value in changes.items() if value is not None}
    parameters = analysed.parameters({"signal": Signal.PATCH, **given})
    distances = dependencies.curves.patch_map(analysed, index, parameters)
    scale = dependencies.curves.novelty(analysed, parameters)
    thumbnail = dependencies.analyses.thumbnail(analysed.key, index)
    return Response(heat_map_png(distances, scale, thumbnail, overlay=overlay), media_type="image/png")


@router.get(
    "/{job_id}/video",
    summary="The video itself",
    response_class=Response,
    responses=examples.responses(
        {
            200: examples.binary_response("The whole video", *VIDEO_MEDIA_TYPES),
            206: examples.binary_response("The range asked for", *VIDEO_MEDIA_TYPES, "multipart/byteranges"),
        },
        *(404, 410, 416, 422, 503, 507),
    ),
)
async def job_video(request: Request, dependencies: InjectedDependencies, job_id: JobId) -> Response:
    """Send the video itself; players can seek, as `Range` is answered.

    Where another of its pictures was looked at than players show, that one is sent by itself, with the sound.
    """
    sha256, number = await run_in_threadpool(_find_video, dependencies, job_id)
    key, etag = video_key(sha256), f'"{sha256}"'
    if number is not None:
        key, etag = await stream_by_itself(request, dependencies, sha256, number), f'"{sha256}-{number}"'
    try:
        head = await run_in_threadpool(_read_head, dependencies, key)
        return await blob_response(
            dependencies.storage,
            key,
            media_type=video_media_type(head),
            etag=etag,
            request_headers=request.headers,
        )
    except FileNotFoundError:
        detail = f"The video of job {job_id} is no longer in the store."
        raise ProblemError(404, "video-gone", "Video gone", detail) from None


def _find_video(dependencies: Dependencies, job_id: str) -> tuple[str, int | None]:
    """Return the hash of a job's video, and of several pictures the one that it chose and that players do not show."""
    job = find_job(dependencies, job_id)
    require_video(job)
    payload = payload_of(dependencies, job, VideoPayload)
    if payload.video_stream is None:
        return payload.video.sha256, None
    # Until it is known which one players show, whatever was chosen is sent by itself.
    found = dependencies.analysis_cache.load(payload.work) if payload.work else None
    streams = found[0].video.video_streams if found else []
    shown = any(stream.shown_first and stream.number == payload.video_stream for stream in streams)
    return payload.video.sha256, None if shown else payload.video_stream


def _read_head(dependencies: Dependencies, key: str) -> bytes:
    with dependencies.storage.open(key) as file:
        return file.read(HEAD_BYTES)
