"""What every kind of job has in common: a lease, recovery after a death, a new beginning with another model, a give-up
after too many of either, and how it ends.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from celery import Celery
from redis import Redis, RedisError

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import Attempts, ModelChanges, Payload, SharedWorkPayload, UnknownPayloadError
from framesense.jobs.queue import enqueue, priority, waits
from framesense.jobs.store import JobStore, UnknownJobError
from framesense.logs import within_request
from framesense.schemas.jobs import JobKind, Progress
from framesense.storage.blobs import Storage
from worker.jobs.concurrency import Stopped
from worker.jobs.lease_heartbeat import LeaseHeartbeat, ShutdownFlag, StopReason
from worker.jobs.model_change import MAX_MODEL_CHANGES, ModelChanged
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)

SAME_WORK_INTERVAL = 0.5
"""Seconds between looks at whether another job has done the same work."""


class Requeued(Exception):  # noqa: N818 - no error
    """A job lets others pass: it is queued again, and goes on from what it has stored."""


class JobTask(ABC):
    """The base of the tasks, which carry out the jobs of one kind, one :meth:`run` a message.

    A kind says what its :meth:`work` is.
    """

    kind: ClassVar[JobKind]

    def __init__(self, app: Celery, settings: WorkerSettings, redis: Redis, shutdown: ShutdownFlag) -> None:
        self._app, self._settings, self._shutdown = app, settings, shutdown
        self._redis = redis
        self._jobs = JobStore(redis, lease_seconds=settings.job_lease, retention_seconds=settings.job_retention)
        self._storage = Storage(settings.storage_url)

    @abstractmethod
    def work(self, job_id: str, heartbeat: LeaseHeartbeat) -> None:
        """Do the job and store its result, going on where an earlier worker stopped.

        Raises ProblemError for what its owner should be told, ModelChanged to begin again, Requeued to be queued again,
        and Stopped soon after ``heartbeat.stop`` is set.
        """

    def run(self, job_id: str) -> None:
        """Carry out a job, unless it is finished or another worker has it."""
        with within_request(self._request_id(job_id)):
            self._run(job_id)

    def _request_id(self, job_id: str) -> str:
        try:
            return self._jobs.payload(job_id, Payload).request_id
        except (UnknownJobError, UnknownPayloadError):
            return ""  # what is wrong is told where it matters

    def _run(self, job_id: str) -> None:
        lease = self._jobs.lease(job_id)
        if lease is None:
            log.info("job %s: another worker has it", job_id)
            return
        requeued = False
        try:
            if not self._jobs.start(job_id):
                log.info("job %s: is finished or unknown", job_id)
                return
            heartbeat = LeaseHeartbeat(
                self._jobs, job_id, lease, lease_seconds=self._settings.job_lease, shutdown=self._shutdown
            )
            with heartbeat:
                requeued = self._carry_out(job_id, heartbeat)
        finally:
            lease.release()
        if requeued or (heartbeat.reason is StopReason.SHUTTING_DOWN and self._jobs.is_running(job_id)):
            enqueue(self._app, self.kind, job_id, self._lateness(job_id))

    def _carry_out(self, job_id: str, heartbeat: LeaseHeartbeat) -> bool:
        """Do the work and note how it ended; return whether the job is to be queued again, because it gave way."""
        log.info("job %s: started", job_id)
        started = time.monotonic()
        try:
            self._work_with_one_model(job_id, heartbeat)
            self._jobs.succeed(job_id, f"/jobs/{job_id}/result")
        except Stopped:
            log.info("job %s: stopped: %s", job_id, heartbeat.reason)
            if heartbeat.reason is StopReason.SHUTTING_DOWN:
                self._amend(job_id, attempts=None)
        except Requeued:
            log.info("job %s: gave way", job_id)
            return self._jobs.requeue(job_id)
        except ProblemError as error:
            log.info("job %s: failed: %s", job_id, error)
            self._fail(job_id, error)
        except UnknownJobError:
            log.info("job %s: was deleted", job_id)
        except UnknownPayloadError as error:
            log.error("job %s: %s", job_id, error)
            detail = "The job was made by another release of Framesense, and this worker cannot read it. Send it again."
            self._fail(job_id, ProblemError(500, "unreadable-job", "Unreadable job", detail))
        except RedisError:
            log.exception("job %s: lost Redis; another worker will go on", job_id)
        except Exception:
            log.exception("job %s: failed unexpectedly", job_id)
            detail = f"Something failed here that should not have. The worker's log has the reason under job {job_id}."
            self._fail(job_id, ProblemError(500, "internal-error", "Internal Server Error", detail))
        else:
            log.info("job %s: succeeded after %.1f s", job_id, time.monotonic() - started)
        return False

    def _work_with_one_model(self, job_id: str, heartbeat: LeaseHeartbeat) -> None:
        """Do the work, beginning again a few times where a model server changes its model meanwhile."""
        while True:
            try:
                return self.work(job_id, heartbeat)
            except ModelChanged as change:
                if heartbeat.stop.is_set():
                    raise Stopped from change
                self._restart(job_id, change)

    def _restart(self, job_id: str, change: ModelChanged) -> None:
        """Begin the job again with another model; raises ProblemError where that was done too often."""
        before = self._jobs.payload(job_id, Payload).model_changes
        count = before.count + 1 if before else 1
        log.info("job %s: %s", job_id, change)
        if count > MAX_MODEL_CHANGES:
            raise change.problem(count) from change
        # The attempts are for workers that die, and none has.
        self._amend(job_id, model_changes=ModelChanges(count=count, reason=change.reason), attempts=None)
        self._jobs.restart(job_id, Progress(message=change.announcement))

    def _take_up(self, job_id: str, work: str) -> None:
        """Note in the payload the ``work`` that a job is at: the key of what it makes.

        Where a model has changed since the job began, that is other work than before: then any other job may go on with
        the former, and so may this one if the model changes back; it is deleted with the last of them.
        """
        payload = self._jobs.payload(job_id, SharedWorkPayload)
        if payload.work is not None and payload.work != work:
            self._jobs.release_claim(payload.work, job_id)
        self._jobs.save_payload(job_id, payload.with_work(work))

    def _count_attempt(self, job_id: str, done: int, *, source: str, unit: str) -> None:
        """Count a worker that began the job, and give the job up if too many died before they finished a unit of it.

        ``source`` and ``unit`` name what is worked on and what ``done`` counts: "video", "frames".
        """
        before = self._jobs.payload(job_id, Payload).attempts
        count = before.count + 1 if before and before.done == done else 1
        if count > self._settings.worker_max_attempts:
            detail = (
                f"{count - 1} workers died at this {source} after {done} {unit}. Their logs have the reason; it may "
                "need more memory than a worker has."
            )
            raise ProblemError(500, "workers-died", "Workers died", detail)
        self._amend(job_id, attempts=Attempts(count=count, done=done))

    def _wait_for_turn(self, job_id: str, work: str, heartbeat: LeaseHeartbeat) -> None:
        """Wait until no other job's worker is at the same ``work`` (the key of the result).

        The result, or its beginning, is then in the store. Raises Stopped.
        """
        reported = False
        while self._jobs.claim(work, job_id) != job_id:
            if not reported:
                log.info("job %s: another job is at the same work", job_id)
                self._jobs.progress(job_id, Progress(message="waiting for another job that asked for the same"))
                reported = True
            sleep_unless_stopped(SAME_WORK_INTERVAL, heartbeat)
        if reported:
            self._jobs.progress(job_id, Progress(message="the other job has ended"))

    def _reporter(self, job_id: str, total: int, message: str) -> Callable[[int], None]:
        """Return a function that reports the job's progress, not too often, but always the first and the last.

        Call it when what is done is stored: it raises Requeued once the job's turn is over and others wait.
        """
        if changes := self._jobs.payload(job_id, Payload).model_changes:
            message = f"{message}, {changes.reason}"
        interval, reported = self._settings.worker_progress_interval, float("-inf")
        turn_ends, begun_at = time.monotonic() + self._settings.worker_turn_seconds, total

        def report(done: int) -> None:
            nonlocal reported, begun_at
            now, begun_at = time.monotonic(), min(begun_at, done)
            if now - reported >= interval or done >= total:
                reported = now
                self._jobs.progress(job_id, Progress(done=done, total=total, message=message))
            if now >= turn_ends and begun_at < done < total:
                self._give_way(job_id)

        return report

    def _give_way(self, job_id: str) -> None:
        """End the turn of a job where others wait for this worker that would come before its next one.

        Raises Requeued. Call it only where what is done is stored.
        """
        late = max(1, self._lateness(job_id))
        if waits(self._redis, self._settings.worker_queues, priority(self.kind, late)):
            self._amend(job_id, lateness=late)
            raise Requeued

    def _lateness(self, job_id: str) -> int:
        try:
            return self._jobs.payload(job_id, Payload).lateness
        except (UnknownJobError, UnknownPayloadError):
            return 0

    def _amend(self, job_id: str, **changes: Attempts | ModelChanges | int | None) -> None:
        payload = self._jobs.payload(job_id, Payload)
        self._jobs.save_payload(job_id, payload.model_copy(update=changes))

    def _fail(self, job_id: str, error: ProblemError) -> None:
        self._jobs.fail(job_id, error.document(request_id=job_id))


def sleep_unless_stopped(seconds: float, heartbeat: LeaseHeartbeat) -> None:
    """Sleep that long, but raise Stopped as soon as the heartbeat says so."""
    if heartbeat.stop.wait(seconds):
        raise Stopped
