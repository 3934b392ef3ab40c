"""Holding a job while it is worked on: the lease is renewed, and reasons to stop are noticed within half a second."""

import logging
import mmap
import threading
import time
from enum import StrEnum
from types import TracebackType
from typing import Self

from redis import RedisError

from framesense.jobs.store import JobStore, Lease

log = logging.getLogger(__name__)


class StopReason(StrEnum):
    CANCELLED = "cancelled"
    LEASE_LOST = "lease lost"
    SHUTTING_DOWN = "shutting down"


class ShutdownFlag:
    """One byte that a worker's main process shares with the pool processes it forks later.

    Celery ends a worker warmly by waiting for its tasks, for hours if need be, and tells the processes that carry
    them out nothing; this does.
    """

    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._byte[0] = 1

    def is_set(self) -> bool:
        return self._byte[0] != 0


class LeaseHeartbeat:
    """Renews a job's lease in a thread, inside a ``with``, and notices reasons to stop.

    ``stop`` is set once the work should end; ``reason`` says why. ``lease_seconds`` is how long the lease lasts
    unrenewed.
    """

    def __init__(
        self, jobs: JobStore, job_id: str, lease: Lease, *, lease_seconds: float, shutdown: ShutdownFlag
    ) -> None:
        self.stop = threading.Event()
        self.reason: StopReason | None = None
        self._jobs, self._job_id, self._lease, self._seconds = jobs, job_id, lease, lease_seconds
        self._shutdown = shutdown
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="job-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _keep(self) -> None:
        renewed = time.monotonic()
        while not self._done.wait(min(0.25, self._seconds / 6)):
            now = time.monotonic()
            try:
                if self._shutdown.is_set():
                    self._end(StopReason.SHUTTING_DOWN)
                elif not self._jobs.is_running(self._job_id):
                    self._end(StopReason.CANCELLED)
                if now - renewed >= self._seconds / 3:
                    if not self._lease.renew():
                        self._end(StopReason.LEASE_LOST)
                    renewed = now
            except RedisError as error:
                log.warning("job %s: Redis does not answer: %s", self._job_id, error)
                if now - renewed >= self._seconds:
                    self._end(StopReason.LEASE_LOST)

    def _end(self, reason: StopReason) -> None:
        if self.reason is None or reason is StopReason.LEASE_LOST:
            self.reason = reason
        self.stop.set()
