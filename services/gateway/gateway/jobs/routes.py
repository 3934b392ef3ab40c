"""Jobs: their state, events and results."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from framesense.http.attachments import attachment
from framesense.http.problems import ProblemError
from framesense.media.spreadsheets import Separator, with_separator
from framesense.schemas.jobs import Job, JobKind, JobList
from gateway.dependencies import InjectedDependencies
from gateway.jobs.deletion import delete_job
from gateway.jobs.events import Event, follow, latest_event
from gateway.jobs.lookups import JobId, find_job
from gateway.jobs.positions import with_position, with_positions
from gateway.jobs.results import Result, export_of, result_of
from gateway.openapi import examples
from gateway.videos.exports import ExportFormat, to_csv, to_vtt
from gateway.videos.novelty_query import NoveltyQuery


class ExportQuery(NoveltyQuery):
    """Which novelty a file has, and how a CSV is written."""

    separator: Separator | None = Field(
        None, description="between the cells of a CSV: a comma by default; `;` comes with decimal commas"
    )


router = APIRouter(tags=["jobs"], prefix="/jobs")


@router.get(
    "",
    summary="List jobs",
    responses=examples.responses({200: examples.json_example("Newest first", examples.JOBS)}, 503),
)
def list_jobs(
    dependencies: InjectedDependencies,
    limit: Annotated[int, Query(ge=1, le=500, description="most jobs to answer")] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000, description="jobs to pass over")] = 0,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before", max_length=64)] = None,
    kind: Annotated[list[JobKind] | None, Query(description="of these kinds only; may be repeated")] = None,
) -> JobList:
    """List jobs, newest first; they are kept for `JOB_RETENTION` seconds after they were made.

    Where keys are required they are your own, or everybody's with the scope `admin`.

    ```sh
    curl 'http://127.0.0.1:8000/jobs?kind=edit&kind=edit_series&limit=20'
    ```

    For the next page, send the answer's `next_cursor` as `cursor`: jobs made or deleted meanwhile change no page.
    """
    try:
        page = dependencies.jobs.page(
            limit=limit, offset=offset, cursor=cursor, kinds=kind or (), client=dependencies.caller.owner
        )
    except ValueError as error:
        raise ProblemError(422, "invalid-cursor", "Invalid cursor", f"cursor: {error}.") from None
    return page.model_copy(update={"jobs": with_positions(dependencies, page.jobs)})


@router.get(
    "/{job_id}",
    summary="A job's state and progress",
    responses=examples.responses({200: examples.json_example("The job as it is", examples.JOB)}, 404, 503),
)
def get_job(dependencies: InjectedDependencies, job_id: JobId) -> Job:
    """Describe a job: its state, its progress, and by `queue_position` how many jobs wait before it.

    Single edits go before series. To be told of changes instead of asking again and again, follow its events.
    """
    return with_position(dependencies, find_job(dependencies, job_id))


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
def cancel_or_delete_job(dependencies: InjectedDependencies, job_id: JobId) -> Response:
    """Cancel a queued or running job, whose worker stops within seconds, or delete a finished one for good.

    A job is finished when it has succeeded, failed or was cancelled.
    """
    job = find_job(dependencies, job_id)
    if job.state.finished:
        delete_job(dependencies, job)
        return Response(status_code=204)
    # Where the job finished in this very moment it is answered as it is: nobody asked to delete it.
    dependencies.jobs.cancel(job_id)
    return Response(find_job(dependencies, job_id).model_dump_json(), 200, media_type="application/json")


@router.get(
    "/{job_id}/events",
    summary="Follow a job (server-sent events)",
    response_class=EventSourceResponse,
    responses=examples.responses(
        {
            200: examples.event_stream("Events named `job`, each a whole Job"),
            204: {"description": "Finished, and the listener has seen everything: do not reconnect"},
        },
        404,
        503,
    ),
)
async def job_events(
    dependencies: InjectedDependencies,
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
    job = await run_in_threadpool(find_job, dependencies, job_id)
    latest = await latest_event(dependencies.events, job_id)
    if job.state.finished and latest and latest.id == last_event_id:
        return Response(status_code=204)
    events = follow(dependencies.events, job_id, last_event_id)
    return EventSourceResponse(_server_sent(events), ping=dependencies.settings.events_keep_alive)


async def _server_sent(events: AsyncGenerator[Event]) -> AsyncIterator[ServerSentEvent]:
    async with aclosing(events):
        async for event in events:
            yield ServerSentEvent(event.job.model_dump_json(), event="job", id=event.id)


@router.get(
    "/{job_id}/result",
    summary="The whole result, by the job's kind",
    response_model=Result,
    responses=examples.responses(
        {200: examples.json_example("Of a video", examples.VIDEO_RESULT)}, *examples.OF_JOB_RESULTS
    ),
)
def job_result(dependencies: InjectedDependencies, job_id: JobId) -> Response:
    """Return the whole result of a finished job.

    Of a video: captions, novelty and moments. Of a photo set: the report, and every photo's tags. Of an edit, or of
    a series: its pictures with seeds, parameters and what changed.

    409 while the job is not finished, 410 for a cancelled one, and the job's own problem for one that failed.
    """
    result = result_of(dependencies, find_job(dependencies, job_id), {})
    return Response(result.model_dump_json(), media_type="application/json")


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
                    "text/csv": {"example": to_csv(examples.VIDEO_RESULT)},
                    "application/json": {"example": examples.VIDEO_RESULT.model_dump(mode="json")},
                    "text/vtt": {"example": to_vtt(examples.VIDEO_RESULT)},
                },
            }
        },
        *examples.OF_JOB_RESULTS,
    ),
)
def job_export(
    dependencies: InjectedDependencies,
    job_id: JobId,
    export_format: Annotated[ExportFormat, Path(description="kind of file", examples=["csv"])],
    query: Annotated[ExportQuery, Query()],
) -> Response:
    """Return the result as a file.

    Of a video, the same numbers as the result, or as the novelty that the same query asks for. Of a photo set, a row
    a photo, with the cosine of every label. Of an edit, all its pictures in a zip.

    A CSV opens right in spreadsheets of languages with a decimal point; for those with a decimal comma there is
    `separator=;`.
    """
    job = find_job(dependencies, job_id)
    if query.separator and export_format is not ExportFormat.CSV:
        raise ProblemError(422, "no-separator", "No separator", f"A separator is for csv, not for {export_format}.")
    changes = query.model_dump(exclude_none=True, exclude={"separator"})
    file = export_of(dependencies, job, export_format, changes)
    headers = {"Content-Disposition": attachment(f"{job.name}.{export_format}")}
    if isinstance(file.content, bytes | str):
        content = _separated(file.content, query.separator) if query.separator else file.content
        return Response(content, headers=headers, media_type=file.media_type)
    return StreamingResponse(file.content, headers=headers, media_type=file.media_type)


def _separated(table: bytes | str, separator: Separator) -> str:
    return with_separator(table.decode() if isinstance(table, bytes) else table, separator)
