"""What is told of jobs that wait: their places in the queue, and whether anybody listens to it. Blocking."""

from collections.abc import Sequence

from framesense.jobs.queue import QUEUES, waiting
from framesense.schemas.jobs import Job, JobState
from gateway.dependencies import Dependencies


def no_listener(queue: str) -> str:
    """Say what is wrong with a queue that nobody listens to, and what to do."""
    return (
        f"No worker listens to the queue {queue!r}: its jobs wait until one does. Tell who runs this service "
        "(`make status` or `docker compose ps` shows which part is down)."
    )


def with_position(dependencies: Dependencies, job: Job) -> Job:
    """Add to a job that waits its place in the queue, and a warning where nobody listens to it."""
    return with_positions(dependencies, [job])[0]


def with_positions(dependencies: Dependencies, jobs: Sequence[Job]) -> list[Job]:
    """Add to jobs that wait their places in the queue, and a warning where nobody listens to it.

    A queued job whose task is not in the queue was taken this very moment.
    """
    queues = {QUEUES[job.kind] for job in jobs if job.state is JobState.QUEUED}
    if not queues:
        return list(jobs)
    listeners = dependencies.listeners.count(queues)
    places = {
        job_id: place
        for queue in queues
        for place, job_id in enumerate(dependencies.jobs.still_queued(waiting(dependencies.redis, queue)))
    }

    def placed(job: Job) -> Job:
        if job.state is not JobState.QUEUED:
            return job
        queue = QUEUES[job.kind]
        warning = None if listeners[queue] else no_listener(queue)
        return job.model_copy(update={"queue_position": places.get(job.id, 0), "warning": warning})

    return [placed(job) for job in jobs]
