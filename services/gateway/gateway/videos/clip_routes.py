"""Moments to take away: one as a clip, the best as a reel."""

from collections.abc import Callable, Coroutine
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from framesense.http.attachments import attachment
from framesense.http.problems import ProblemError
from framesense.storage.analyses import video_key
from gateway.dependencies import Dependencies, InjectedDependencies
from gateway.http.ranges import temporary_file_response
from gateway.jobs.lookups import JobId, find_job, load_analysis
from gateway.openapi import examples
from gateway.videos.analysed import Analysed
from gateway.videos.clips import highlight_stretches, moment_stretch
from gateway.videos.made_files import temporary_file, write_from_video
from gateway.videos.novelty_query import Changes, NoveltyQuery

router = APIRouter(tags=["videos"], prefix="/jobs")

_MP4 = examples.responses(
    {
        200: examples.binary_response("MP4", "video/mp4"),
        206: examples.binary_response("The range asked for", "video/mp4"),
    },
    *(*examples.OF_JOB_RESULTS, 416),
)


class HighlightsQuery(NoveltyQuery):
    """Which moments the reel shows, and how."""

    times: bool = Field(default=False, description="draw each frame's time in the video into its corner")


@router.get("/{job_id}/moments/{rank}.mp4", summary="A moment as a clip", response_class=Response, responses=_MP4)
async def job_moment(
    request: Request,
    dependencies: InjectedDependencies,
    job_id: JobId,
    rank: Annotated[int, Path(ge=0, le=199, description="the moment's place in the list, 0 the strongest")],
    changes: Changes,
) -> Response:
    """Return a moment as an MP4, with a second before it and after it.

    It is copied as it is, with its sound, where a key frame lies near; else encoded
    anew, without sound. The same query as of `/novelty` chooses among the moments of another curve.

    ```sh
    curl -O http://127.0.0.1:8000/jobs/$ID/moments/0.mp4
    ```
    """
    analysed = await run_in_threadpool(_analysed, dependencies, job_id)
    parameters = analysed.parameters(changes.model_dump(exclude_none=True))
    spans = await run_in_threadpool(dependencies.videos.spans, analysed, parameters)
    if rank >= len(spans):
        detail = f"Job {job_id} lists {len(spans)} moments by these parameters, counted from 0; there is no {rank}."
        raise ProblemError(404, "unknown-moment", "Unknown moment", detail)
    stretch = moment_stretch(analysed, spans[rank], longest=dependencies.settings.clip_longest)

    async def write(source: FilePath, target: FilePath) -> None:
        await dependencies.media.cut(source, target, stretch, number=analysed.summary.video.video_stream)

    return await _clip(request, dependencies, analysed, write, f"moment-{rank}")


@router.get("/{job_id}/highlights.mp4", summary="The moments as a reel", response_class=Response, responses=_MP4)
async def job_highlights(
    request: Request, dependencies: InjectedDependencies, job_id: JobId, query: Annotated[HighlightsQuery, Query()]
) -> Response:
    """Return the moments one after another as an MP4: in the order of the video, eight seconds of each, without sound.

    ```sh
    curl -o highlights.mp4 "http://127.0.0.1:8000/jobs/$ID/highlights.mp4?max_moments=5&times=true"
    ```
    """
    analysed = await run_in_threadpool(_analysed, dependencies, job_id)
    parameters = analysed.parameters(query.model_dump(exclude_none=True, exclude={"times"}))
    spans = await run_in_threadpool(dependencies.videos.spans, analysed, parameters)
    if not spans:
        detail = f"Job {job_id} lists no moments by these parameters. Raise the sensitivity."
        raise ProblemError(404, "no-moments", "No moments", detail)
    stretches = highlight_stretches(analysed, spans)

    async def write(source: FilePath, target: FilePath) -> None:
        number = analysed.summary.video.video_stream
        await dependencies.media.join(source, target, stretches, number=number, stamped=query.times)

    return await _clip(request, dependencies, analysed, write, "highlights")


def _analysed(dependencies: Dependencies, job_id: str) -> Analysed:
    return load_analysis(dependencies, find_job(dependencies, job_id))


async def _clip(
    request: Request,
    dependencies: Dependencies,
    analysed: Analysed,
    write: Callable[[FilePath, FilePath], Coroutine[Any, Any, None]],
    suffix: str,
) -> Response:
    """Write a file by ``write(source, target)`` and answer it. Raises ProblemError as :func:`write_from_video`."""
    key = video_key(analysed.summary.video.sha256)
    with temporary_file(dependencies.settings.upload_folder) as target:
        await write_from_video(request, dependencies, key, write, target)
        name = f"{FilePath(analysed.job.name).stem or 'video'}-{suffix}.mp4"
        headers = {"Content-Disposition": attachment(name), "Cache-Control": "private, max-age=3600"}
        return await temporary_file_response(
            target, media_type="video/mp4", headers=headers, request_headers=request.headers
        )
