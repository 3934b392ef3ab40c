"""Jobs whose worker died are found by their lapsed leases and queued again; so are those that wait for long, since
their message may be lost.

Every worker looks. A mark in Redis sees to it that an orphan is queued once, however many workers find it and however
long it then waits its turn; the mark goes when a worker takes the job, or after ``mark_seconds`` should the message
get lost.
"""

import logging
import threading

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from framesense.jobs.queue import enqueue
from framesense.jobs.store import JobStore
from framesense.schemas.jobs import JobState

log = logging.getLogger(__name__)


class Recovery:
    def __init__(self, redis: Redis, jobs: JobStore, celery: Celery, *, mark_seconds: float) -> None:
        self._redis, self._jobs, self._celery = redis, jobs, celery
        self._mark_ms = max(1, int(mark_seconds * 1000))

    def sweep(self) -> list[str]:
        """Queue the orphaned jobs that nobody has queued yet, and return their ids."""
        queued = []
        for job in self._jobs.orphans():
            if not self._redis.set(_mark(job.id), 1, nx=True, px=self._mark_ms):
                continue
            try:
                enqueue(self._celery, job.kind, job.id)
            except OperationalError:
                self.taken(job.id)
                raise
            if job.state is JobState.RUNNING:
                log.warning("job %s: its worker is gone; queued again", job.id)
            else:
                log.info("job %s: still waits for a worker; queued again, in case its message was lost", job.id)
            queued.append(job.id)
        return queued

    def taken(self, job_id: str) -> None:
        """Note that a worker has the job: should that one die too, the job may be queued again."""
        self._redis.delete(_mark(job_id))

    def run(self, *, interval: float, stop: threading.Event) -> None:
        """Sweep every ``interval`` seconds until ``stop`` is set."""
        while True:
            try:
                self.sweep()
            except (RedisError, OperationalError) as error:
                log.warning("looking for abandoned jobs failed: %s", error)
            if stop.wait(interval):
                return


def _mark(job_id: str) -> str:
    return f"framesense:job:{job_id}:requeued"
