"""Jobs: their state, events and results."""

from collections.abc import AsyncIterator
from typing import Annotated, Self
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sse_starlette import EventSourceResponse, ServerSentEvent

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import VideoPayload
from framesense.schemas.jobs import Job, JobKind, JobList
from framesense.schemas.novelty import (
    MaxMoments,
    Metric,
    NoveltyCurve,
    RollingWindowSize,
    SearchResult,
    Sensitivity,
    Signal,
)
from framesense.schemas.references import ReferenceName
from framesense.storage.analyses import video_key
from gateway.dependencies import Dependencies, Parts
from gateway.edits.jobs import with_position, with_positions
from gateway.http.ranges import blob_response
from gateway.jobs.deletion import delete_job
from gateway.jobs.events import Event, follow, latest_event
from gateway.jobs.lookups import analysis_of, find_job, load_analysis, payload_of, require_video
from gateway.jobs.results import Result, export_of, result_of
from gateway.openapi import examples
from gateway.uploads.sniffing import HEAD_BYTES, video_media_type
from gateway.videos.exports import EXPORTS, ExportFormat
from gateway.videos.heatmaps import heat_map_png
from gateway.videos.search import search

router = APIRouter(tags=["jobs"], prefix="/jobs")

JobId = Annotated[str, Path(description="as answered by the request that started it", examples=[examples.JOB_ID])]
A_YEAR = 31_536_000
_AS_BEFORE = "left out: as in the job's parameters"


class NoveltyQuery(BaseModel):
    """Novelty parameters that take the place of the job's own; what is left out stays as it was."""

    model_config = ConfigDict(extra="forbid")

    metric: Metric | None = Field(None, description=_AS_BEFORE)
    rolling_window_size: RollingWindowSize | None = Field(None, description=_AS_BEFORE)
    signal: Signal | None = Field(None, description=_AS_BEFORE)
    sensitivity: Sensitivity | None = Field(None, description="0 lists the strongest moments only, 1 faint ones too")
    max_moments: MaxMoments | None = Field(None, description="most moments listed")
    reference: ReferenceName | None = Field(
        None, description="compare patches with this footage instead of the frames before; means signal=patch"
    )

    @model_validator(mode="after")
    def _reference_goes_with_patch(self) -> Self:
        if self.reference is not None and self.signal not in (None, Signal.PATCH):
            raise ValueError("a reference is for the signal 'patch' only")
        return self


Changes = Annotated[NoveltyQuery, Query()]


@router.get(
    "",
    summary="List jobs",
    responses=examples.responses({200: examples.json_example("Newest first", examples.JOBS)}, 503),
)
def list_jobs(
    parts: Parts,
    limit: Annotated[int, Query(ge=1, le=500, description="most jobs to answer")] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000, description="jobs to pass over")] = 0,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=64)] = None,
    kind: Annotated[list[JobKind] | None, Query(description="of these kinds only; may be repeated")] = None,
) -> JobList:
    """List jobs, newest first; they are kept for `JOB_RETENTION` seconds after they were made.

    ```sh
    curl 'http://127.0.0.1:8000/jobs?kind=edit&kind=edit_series&limit=20'
    ```

    For the next page, send the answer's `next_cursor` as `cursor`: jobs made or deleted meanwhile change no page.
    """
    try:
        page = parts.jobs.page(limit=limit, offset=offset, cursor=cursor, kinds=kind or ())
    except ValueError as error:
        raise ProblemError(422, "invalid-cursor", "Invalid cursor", f"cursor: {error}.") from None
    return page.model_copy(update={"jobs": with_positions(parts, page.jobs)})


@router.get(
    "/{job_id}",
    summary="A job's state and progress",
    responses=examples.responses({200: examples.json_example("The job as it is", examples.JOB)}, 404, 503),
)
def get_job(parts: Parts, job_id: JobId) -> Job:
    """Describe a job: its state, its progress, and by `queue_position` how many jobs wait before it.

    Single edits go before series. To be told of changes instead of asking again and again, follow its events.
    """
    return with_position(parts, find_job(parts, job_id))


@router.delete(
    "/{job_id}",
    summary="Cancel a job, or delete a finished one",
    response_model=Job,
    responses=examples.responses(
        {
            200: examples.json_example("Cancelled: the job, which stays in the list", examples.CANCELLED_JOB),
            204: {"description": "Deleted, with the video and the analysis unless another job refers to them"},
        },
        404,
        503,
    ),
)
def cancel_or_delete_job(parts: Parts, job_id: JobId) -> Response:
    """Cancel a queued or running job, whose worker stops within seconds, or delete a finished one for good.

    A job is finished when it has succeeded, failed or was cancelled.
    """
    job = find_job(parts, job_id)
    if job.state.finished:
        delete_job(parts, job)
        return Response(status_code=204)
    # Where the job finished in this very moment it is answered as it is: nobody asked to delete it.
    parts.jobs.cancel(job_id)
    return Response(find_job(parts, job_id).model_dump_json(), 200, media_type="application/json")


@router.get(
    "/{job_id}/events",
    summary="Follow a job (server-sent events)",
    response_class=EventSourceResponse,
    responses=examples.responses(
        {
            200: examples.text_example("Events named `job`, each a whole Job", "text/event-stream", examples.EVENT),
            204: {"description": "Finished, and the listener has seen everything: do not reconnect"},
        },
        404,
        503,
    ),
)
async def job_events(
    parts: Parts,
    job_id: JobId,
    last_event_id: Annotated[
        str | None, Header(description="go on after this event; browsers send it by themselves")
    ] = None,
) -> Response:
    """Send the job as it is, then every change, until it is finished; then the stream ends.

    After a dropped connection `Last-Event-ID` goes on where the listener left off.

    ```sh
    curl -N http://127.0.0.1:8000/jobs/$ID/events
    ```
    """
    job = await run_in_threadpool(find_job, parts, job_id)
    latest = await latest_event(parts.events, job_id)
    if job.state.finished and latest and latest.id == last_event_id:
        return Response(status_code=204)
    events = follow(parts.events, job_id, last_event_id)
    return EventSourceResponse(_server_sent(events), ping=parts.settings.events_keep_alive)


async def _server_sent(events: AsyncIterator[Event]) -> AsyncIterator[ServerSentEvent]:
    async for event in events:
        yield ServerSentEvent(event.job.model_dump_json(), event="job", id=event.id)


@router.get(
    "/{job_id}/result",
    summary="The whole result, by the job's kind",
    response_model=Result,
    responses=examples.responses({200: examples.json_example("Of a video", examples.VIDEO_RESULT)}, 404, 409, 410, 503),
)
def job_result(parts: Parts, job_id: JobId) -> Response:
    """Return the whole result of a finished job.

    Of a video: captions, novelty and moments. Of a photo set: the report, and every photo's tags. Of an edit, or of
    a series: its pictures with seeds, parameters and what changed.

    409 while the job is not finished, 410 for a cancelled one, and the job's own problem for one that failed.
    """
    result = result_of(parts, find_job(parts, job_id), {})
    return Response(result.model_dump_json(), media_type="application/json")


@router.get(
    "/{job_id}/novelty",
    summary="Another metric, window or signal",
    responses=examples.responses(
        {200: examples.json_example("The curve and its moments", examples.CURVE)}, 404, 409, 410, 503
    ),
)
def job_novelty(parts: Parts, job_id: JobId, changes: Changes) -> NoveltyCurve:
    """Compute the curve of other parameters at once, from the stored embeddings.

    What is left out is as in the job's parameters.
    """
    analysed = load_analysis(parts, find_job(parts, job_id))
    return parts.videos.curve(analysed, analysed.parameters(changes.model_dump(exclude_none=True)))


@router.get(
    "/{job_id}/search",
    summary="Search a video in words",
    response_model=SearchResult,
    responses=examples.responses(
        {200: examples.json_example("The curve and its best moments", examples.SEARCH_RESULT)}, 404, 409, 410, 503
    ),
)
async def job_search(
    parts: Parts,
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
    job = await run_in_threadpool(find_job, parts, job_id)
    analysed = await run_in_threadpool(load_analysis, parts, job)
    result = await search(analysed, q, parts.tagger, limit=limit)
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
    parts: Parts,
    job_id: JobId,
    index: Annotated[int, Path(ge=0, le=10**8, description="the frame's index in the result", examples=[3])],
    if_none_match: Annotated[str | None, Header(description="the ETag of the copy you have")] = None,
) -> Response:
    """Return a frame's thumbnail, from the moment the frame was captioned, also while the job runs.

    It never changes: cache it.
    """
    key = analysis_of(parts, find_job(parts, job_id))
    headers = {"Cache-Control": f"public, max-age={A_YEAR}, immutable", "ETag": f'"{key}-{index}"'}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    try:
        jpeg = parts.analyses.thumbnail(key, index) if key else None
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
        {200: examples.binary_response("PNG with transparency", "image/png")}, 404, 409, 410, 503
    ),
)
def job_heat_map(
    parts: Parts,
    job_id: JobId,
    index: Annotated[int, Path(ge=0, le=10**8, description="the frame's index in the result", examples=[3])],
    reference: Annotated[
        ReferenceName | None, Query(description="compare with this footage instead of the frames before")
    ] = None,
    rolling_window_size: Annotated[RollingWindowSize | None, Query(description=_AS_BEFORE)] = None,
    overlay: Annotated[bool, Query(description="over the thumbnail; else by itself, to be laid over it")] = True,
) -> Response:
    """Paint where in a frame something is odd, for cameras that stand still.

    Each patch is compared with the nearest of those seen at its height before. Red is as odd as anything in this video,
    transparent is familiar.
    """
    analysed = load_analysis(parts, find_job(parts, job_id))
    if index >= len(analysed.frames):
        raise ProblemError(404, "unknown-frame", "Unknown frame", f"Job {job_id} has no frame {index}.")
    changes = {"reference": reference, "rolling_window_size": rolling_window_size}
    given = {name: value for name, value in changes.items() if value is not None}
    parameters = analysed.parameters({"signal": Signal.PATCH, **given})
    distances = parts.curves.patch_map(analysed, index, parameters)
    scale = parts.curves.novelty(analysed, parameters)
    thumbnail = parts.analyses.thumbnail(analysed.key, index)
    return Response(heat_map_png(distances, scale, thumbnail, overlay=overlay), media_type="image/png")


@router.get(
    "/{job_id}/video",
    summary="The video itself",
    response_class=Response,
    responses=examples.responses(
        {
            200: examples.binary_response("The whole video", "video/mp4"),
            206: examples.binary_response("The range asked for", "video/mp4"),
        },
        404,
        416,
        503,
    ),
)
async def job_video(request: Request, parts: Parts, job_id: JobId) -> Response:
    """Send the video itself; players can seek, as `Range` is answered."""
    sha256, key = await run_in_threadpool(_find_video, parts, job_id)
    try:
        head = await run_in_threadpool(_read_head, parts, key)
        return await blob_response(
            parts.storage, key, media_type=video_media_type(head), etag=f'"{sha256}"', request_headers=request.headers
        )
    except FileNotFoundError:
        detail = f"The video of job {job_id} is no longer in the store."
        raise ProblemError(404, "video-gone", "Video gone", detail) from None


@router.get(
    "/{job_id}/export.{export_format}",
    summary="The result as a file",
    response_class=Response,
    responses=examples.responses(
        {
            200: {
                "description": "CSV, JSON or WebVTT of a video; CSV, JSON or Parquet of a photo set; JSON or a zip of "
                "an edit",
                "content": {
                    "text/csv": {"example": EXPORTS[ExportFormat.CSV].write(examples.VIDEO_RESULT)},
                    "application/json": {"example": examples.VIDEO_RESULT.model_dump(mode="json")},
                    "text/vtt": {"example": EXPORTS[ExportFormat.VTT].write(examples.VIDEO_RESULT)},
                },
            }
        },
        404,
        409,
        410,
        422,
        503,
    ),
)
def job_export(
    parts: Parts,
    job_id: JobId,
    export_format: Annotated[ExportFormat, Path(description="kind of file", examples=["csv"])],
    changes: Changes,
) -> Response:
    """Return the result as a file.

    Of a video, the same numbers as the result, or as the novelty that the same query asks for. Of a photo set, a row
    a photo, with the cosine of every label. Of an edit, all its pictures in a zip.
    """
    job = find_job(parts, job_id)
    file = export_of(parts, job, export_format, changes.model_dump(exclude_none=True))
    headers = {"Content-Disposition": _attachment(f"{job.name}.{export_format}")}
    if isinstance(file.content, bytes | str):
        return Response(file.content, headers=headers, media_type=file.media_type)
    return StreamingResponse(file.content, headers=headers, media_type=file.media_type)


def _attachment(name: str) -> str:
    """Write a Content-Disposition that keeps any file name (RFC 6266)."""
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"


def _find_video(dependencies: Dependencies, job_id: str) -> tuple[str, str]:
    """Return the hash and the storage key of a job's video."""
    job = find_job(dependencies, job_id)
    require_video(job)
    sha256 = payload_of(dependencies, job, VideoPayload).video.sha256
    return sha256, video_key(sha256)


def _read_head(dependencies: Dependencies, key: str) -> bytes:
    with dependencies.storage.open(key) as file:
        return file.read(HEAD_BYTES)
