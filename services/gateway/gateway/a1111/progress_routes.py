"""Tell A1111's clients how far their own job is, and let them cancel it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from framesense.http.problems import ProblemError
from framesense.schemas.jobs import Job
from gateway.a1111.ownership import identities
from gateway.a1111.progress import EXPECTED, IDLE, progress_response, task_progress_response
from gateway.a1111.routing import CompatRoute, read_body
from gateway.a1111.running import ownership, pictures_of
from gateway.a1111.schemas import (
    ProgressResponse,
    TaskProgressRequest,
    TaskProgressResponse,
)
from gateway.dependencies import Dependencies, InjectedDependencies
from gateway.jobs.positions import with_position
from gateway.openapi import a1111_examples, examples

sdapi = APIRouter(tags=["A1111 clients"], prefix="/sdapi/v1", route_class=CompatRoute)
internal = APIRouter(tags=["A1111 clients"], prefix="/internal", route_class=CompatRoute)

OwnTask = Annotated[
    str | None,
    Query(
        alias="id_task", description="the request's force_task_id, or a job's id; your own unfinished job by default"
    ),
]
OwnJob = Annotated[str | None, Query(alias="job_id", description="the same: another name for it")]


@sdapi.get(
    "/progress",
    summary="Get the progress of my job",
    responses=examples.responses({200: examples.json_example("Of a job that runs", a1111_examples.PROGRESS)}, 404, 503),
)
def progress(
    request: Request,
    dependencies: InjectedDependencies,
    id_task: OwnTask = None,
    job_id: OwnJob = None,
    skip_current_image: Annotated[bool, Query(description="leave the preview out")] = False,
) -> ProgressResponse:
    """Tell how far the named job is, or your own: the unfinished one of the same `X-Client-ID` header; without one, of
    the same cookie; without either, of the same address and credentials. `progress` and `state.job_count` are 0 where
    you have none, and for an `id_task` that has not arrived yet.
    """
    if id_task and ownership(dependencies).get(id_task) is None:
        return EXPECTED
    job = _own_job(request, dependencies, id_task or job_id)
    if job is None:
        return IDLE
    preview = None if skip_current_image else dependencies.jobs.preview(job.id)
    return progress_response(job, pictures_of(dependencies, job), preview)


@internal.post(
    "/progress",
    summary="Get the progress of a task",
    responses=examples.responses(
        {200: examples.json_example("Of a task that waits", a1111_examples.TASK_PROGRESS)}, 408, 413, 503
    ),
    openapi_extra=examples.json_body(TaskProgressRequest, a1111_examples.TASK_PROGRESS_REQUEST),
)
async def task_progress(request: Request, dependencies: InjectedDependencies) -> TaskProgressResponse:
    """Tell how far a task is, by its `force_task_id`, as the page of stable-diffusion-webui asks."""
    body = await read_body(request, dependencies, TaskProgressRequest)
    return await run_in_threadpool(_task_progress, dependencies, body)


@sdapi.post(
    "/interrupt",
    summary="Cancel my job",
    responses=examples.responses({200: examples.json_example("Nothing", {})}, 404, 503),
)
def interrupt(
    request: Request, dependencies: InjectedDependencies, id_task: OwnTask = None, job_id: OwnJob = None
) -> dict[str, Any]:
    """Cancel the named job, or your own as `progress` finds it: nobody else's.

    Whoever waits for it is answered with the pictures that were finished. Does nothing where there is no such job.
    """
    if job := _own_job(request, dependencies, id_task or job_id):
        dependencies.jobs.cancel(job.id)
    return {}


@sdapi.post(
    "/skip",
    summary="Cancel my job of one picture",
    responses=examples.responses({200: examples.json_example("Nothing", {})}, 404, 409, 503),
)
def skip(
    request: Request, dependencies: InjectedDependencies, id_task: OwnTask = None, job_id: OwnJob = None
) -> dict[str, Any]:
    """Cancel a job of one picture, as `interrupt` does.

    Answers 409 for a job of several, none of which is passed over alone.
    """
    job = _own_job(request, dependencies, id_task or job_id)
    if job and pictures_of(dependencies, job) > 1:
        detail = f"Job {job.id} makes several pictures, and none of them is passed over alone. /interrupt ends it."
        raise ProblemError(409, "cannot-skip", "Cannot skip", detail)
    if job:
        dependencies.jobs.cancel(job.id)
    return {}


def _task_progress(dependencies: Dependencies, body: TaskProgressRequest) -> TaskProgressResponse:
    job = ownership(dependencies).get(body.id_task)
    if job is None:
        return task_progress_response(None, None)
    preview = dependencies.jobs.preview(job.id) if body.live_preview else None
    return task_progress_response(with_position(dependencies, job), preview)


def _own_job(request: Request, dependencies: Dependencies, name: str | None) -> Job | None:
    """Return the job named, or the client's own unfinished one, with its place in the queue. Raises a 404 problem."""
    own = ownership(dependencies)
    job = own.find(name) if name else own.current(identities(request))
    return with_position(dependencies, job) if job else None
