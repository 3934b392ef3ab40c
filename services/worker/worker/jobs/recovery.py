"""Jobs that no worker has and no message waits for are queued again: their worker died, or their message was lost.

What the queues hold decides, whatever Redis and the workers went through: a worker may die between taking a message and
taking the job, and a Redis that was restored from a copy may know of jobs whose messages it never had. A message too
many does no harm (:mod:`framesense.jobs.store`), one too few would let a job wait for ever.

Every worker looks, one at a time.
"""

import logging
import threading

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from framesense.jobs.payloads import Payload, UnknownPayloadError
from framesense.jobs.queue import QUEUES, enqueue, waiting
from framesense.jobs.store import JobStore, UnknownJobError
from framesense.schemas.jobs import Job, JobState

log = logging.getLogger(__name__)


SWEEPING = "framesense:sweeping"


class Recovery:
    def __init__(self, redis: Redis, jobs: JobStore, celery: Celery) -> None:
        self._redis, self._jobs, self._celery = redis, jobs, celery

    def sweep(self) -> list[str]:
        """Queue the orphaned jobs that no message waits for, and return their ids."""
        orphans = self._jobs.orphans()
        # Read after the jobs: a message that was taken in between would be of a job that is no orphan any more.
        queued = {queue: set(waiting(self._redis, queue)) for queue in {QUEUES[job.kind] for job in orphans}}
        lost = [job for job in orphans if job.id not in queued[QUEUES[job.kind]]]
        for job in lost:
            enqueue(self._celery, job.kind, job.id, self._lateness(job))
            why = "its worker is gone" if job.state is JobState.RUNNING else "its message was lost"
            log.warning("job %s: %s; queued again", job.id, why)
        return [job.id for job in lost]

    def _lateness(self, job: Job) -> int:
        try:
            return self._jobs.payload(job.id, Payload).lateness
        except (UnknownJobError, UnknownPayloadError):
            return 0  # its worker tells what is wrong with it

    def run(self, *, interval: float, stop: threading.Event) -> None:
        """Sweep every ``interval`` seconds, unless another worker just has, until ``stop`` is set."""
        while True:
            try:
                if self._redis.set(SWEEPING, 1, nx=True, px=max(1, int(interval * 900))):
                    self.sweep()
            except (RedisError, OperationalError) as error:
                log.warning("looking for abandoned jobs failed: %s", error)
            if stop.wait(interval):
                return
