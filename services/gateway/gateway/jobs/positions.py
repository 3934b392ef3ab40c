"""Tell jobs that wait how many others go before them. Blocking."""

from collections.abc import Sequence

from framesense.jobs.queue import QUEUES, waiting
from framesense.schemas.jobs import Job, JobState
from gateway.dependencies import Dependencies


def with_position(dependencies: Dependencies, job: Job) -> Job:
    """Add its place in the queue to a job that waits."""
    return with_positions(dependencies, [job])[0]


def with_positions(dependencies: Dependencies, jobs: Sequence[Job]) -> list[Job]:
    """Add their places in the queue to jobs that wait.

    A queued job whose task is not in the queue was taken this very moment.
    """
    queues = {QUEUES[job.kind] for job in jobs if job.state is JobState.QUEUED}
    places = {
        job_id: place
        for queue in queues
        for place, job_id in enumerate(dependencies.jobs.still_queued(waiting(dependencies.redis, queue)))
    }
    return [
        job.model_copy(update={"queue_position": places.get(job.id, 0)}) if job.state is JobState.QUEUED else job
        for job in jobs
    ]
