"""Worker processes as they run, over one Redis and one blob store."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from framesense.jobs.store import JobStore, events_key, read_event
from framesense.schemas.jobs import Job
from framesense.storage.blobs import Storage
from tests.support.waiting import wait_until
from tools.processes import Program

NOBODY = "http://127.0.0.1:9"
"""An address where nothing listens."""
LEASE_SECONDS = 1.5
"""After so long a job of a worker that was killed is taken over."""


class WorkerStack:
    """As many worker processes as a test starts, and what they share with the gateway.

    ``settings``: environment variables of every worker, in either case; :attr:`environment` may be changed later.
    """

    def __init__(self, redis_url: str, folder: Path, **settings: object) -> None:
        self.heartbeat = folder / "heartbeat"
        shared = {
            "redis_url": redis_url,
            "storage_url": folder / "blobs",
            "captioner_url": NOBODY,
            "tagger_url": NOBODY,
            "editor_url": NOBODY,
            "job_lease": LEASE_SECONDS,
            "worker_heartbeat_file": self.heartbeat,
        }
        self.environment = {name.upper(): str(value) for name, value in {**shared, **settings}.items()}
        self.redis = Redis.from_url(redis_url, decode_responses=True)
        self.jobs = JobStore(self.redis, lease_seconds=LEASE_SECONDS, retention_seconds=3600)
        self.storage = Storage(self.environment["STORAGE_URL"])
        self._folder = folder
        self._workers: list[subprocess.Popen[bytes]] = []

    def program(self, name: str, **settings: object) -> Program:
        """Describe a worker with these settings of its own, to be run under supervision."""
        own = {key.upper(): str(value) for key, value in settings.items()}
        return Program(name, [sys.executable, "-m", "worker"], name, lambda: None, {**self.environment, **own})

    def start_worker(self, **settings: object) -> "subprocess.Popen[bytes]":
        """Start one more, with these settings of its own; it leads a process group."""
        own = {name.upper(): str(value) for name, value in settings.items()}
        with (self._folder / f"worker-{len(self._workers)}.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "worker"],
                env={**os.environ, **self.environment, **own},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._workers.append(worker)
        return worker

    def kill(self, worker: "subprocess.Popen[bytes]") -> None:
        """End a worker and its pool at once, as a power cut does."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    @property
    def logs(self) -> str:
        """What all workers printed."""
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("worker-*.log")))

    def get(self, job: Job) -> Job:
        """Return the job as it is now."""
        current = self.jobs.get(job.id)
        assert current is not None
        return current

    def finished(self, job: Job) -> Job:
        """Wait for the end of the job, and return it."""
        self.wait_until(lambda: self.get(job).state.finished)
        return self.get(job)

    def events(self, job: Job) -> list[Job]:
        """Return the job as it was after every change."""
        return [read_event(fields["job"]) for _, fields in self.redis.xrange(events_key(job.id))]

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Return once the condition is true; fails with the workers' logs."""
        wait_until(condition, explain=lambda: self.logs)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            if worker.poll() is None:
                self.kill(worker)
        self.redis.close()


@contextmanager
def running_worker(redis_url: str, folder: Path, **settings: object) -> Iterator[WorkerStack]:
    """Run one worker until the context ends, for tests that ask a gateway and never end a worker themselves."""
    stack = WorkerStack(redis_url, folder, **settings)
    stack.start_worker()
    try:
        yield stack
    finally:
        stack.close()
