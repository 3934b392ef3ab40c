"""Find jobs and their analyses by id, or raise the problem that says why there is none. Blocking."""

from typing import Annotated

from fastapi import Path
from pydantic import BeforeValidator

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import PAYLOADS, UnknownPayloadError, VideoPayload
from framesense.jobs.store import AnyPayload, UnknownJobError
from framesense.schemas.jobs import Job, JobKind, JobState
from framesense.schemas.problems import Problem
from gateway.dependencies import Dependencies
from gateway.openapi.examples import JOB_ID
from gateway.videos.analysed import Analysed

JobId = Annotated[str, Path(description="as answered by the request that started it", examples=[JOB_ID])]
"""A job's id in a route's path."""
OptionalId = Annotated[str | None, BeforeValidator(lambda value: value or None)]
"""The id of a job or an upload in a query or a form, where an empty one is none."""


def find_job(dependencies: Dependencies, job_id: str) -> Job:
    """Return a job by its id. Raises a 404 problem for one that is unknown, was deleted or is another client's."""
    job = dependencies.job(job_id)
    if job is None:
        raise _unknown_job(job_id)
    return job


def payload_of(dependencies: Dependencies, job: Job, of: type[AnyPayload]) -> AnyPayload:
    """Return a job's payload.

    Raises a 404 problem for a job that was deleted meanwhile or is of another kind, 409 for a payload that this release
    cannot read.
    """
    if not issubclass(PAYLOADS[job.kind], of):
        raise ProblemError(404, "other-kind-of-job", "Another kind of job", f"Job {job.id} is a {job.kind} job.")
    try:
        return dependencies.jobs.payload(job.id, of)
    except UnknownJobError:
        raise _unknown_job(job.id) from None
    except UnknownPayloadError as error:
        detail = f"Job {job.id} was made by another release of Framesense, and this one cannot read it."
        raise ProblemError(409, "unreadable-job", "Unreadable job", detail) from error


def load_analysis(dependencies: Dependencies, job: Job) -> Analysed:
    """Load the analysis of a video job that succeeded.

    Raises ProblemError as :func:`require_success`, 404 for a job of another kind, 410 where the result is gone.
    """
    require_video(job)
    require_success(job)
    key = analysis_of(dependencies, job)
    found = dependencies.analysis_cache.load(key)
    if found is None:
        detail = f"The result of job {job.id} is no longer in the store. Send the video again to analyse it."
        raise ProblemError(410, "result-gone", "Result gone", detail)
    return Analysed(job, key, *found)


def require_video(job: Job) -> None:
    """Require that a job is a video's. Raises a 404 problem for a job of another kind."""
    if job.kind is not JobKind.VIDEO:
        detail = f"Job {job.id} is a {job.kind} job: it has a result, but no video, frames or novelty."
        raise ProblemError(404, "not-a-video-job", "Not a video job", detail)


def require_success(job: Job) -> None:
    """Require that a job has succeeded.

    Raises ProblemError: 409 while the job is not finished, 410 for a cancelled one, and a failed one's own.
    """
    if job.error:
        raise problem_error(job.error)
    if job.state is JobState.CANCELLED:
        detail = f"Job {job.id} was cancelled and has no result. Send its input again."
        raise ProblemError(410, "job-cancelled", "Job cancelled", detail)
    if not job.state.finished:
        detail = f"Job {job.id} is {job.state}, so there is no result yet. Follow it at /jobs/{job.id}/events."
        raise ProblemError(409, "job-unfinished", "Job unfinished", detail, headers={"Retry-After": "2"})


def analysis_of(dependencies: Dependencies, job: Job) -> str:
    """Return the key of a job's analysis; empty while it is not known, which is no analysis's key."""
    return payload_of(dependencies, job, VideoPayload).work or ""


def _unknown_job(job_id: str) -> ProblemError:
    detail = f"There is no job {job_id[:64]!r}: it never existed, or it was deleted. GET /jobs lists all jobs."
    return ProblemError(404, "unknown-job", "Unknown job", detail)


def problem_error(problem: Problem) -> ProblemError:
    """Return a stored problem as an error to raise."""
    slug = problem.type.removeprefix("urn:framesense:problem:")
    return ProblemError(problem.status, slug, problem.title, problem.detail)
