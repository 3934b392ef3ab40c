"""A gateway with real Redis and real workers for edits; the editor is whatever listens at the address given."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image
from redis import Redis

from framesense.jobs.store import JobStore
from framesense.schemas.edits import EditResult
from framesense.schemas.jobs import Job, JobState
from framesense.storage.blobs import Storage
from framesense.storage.edits import EditStore
from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.support.gateway_process import served
from tests.support.photos import photo

WAIT = 200.0
"""Seconds after which something that should have happened has not; far more than any of it takes."""
ROOM = photo("blue", size=(96, 64), kind="PNG")
GRID = {
    "base": {"prompt": "a red room", "seed": 5},
    "rows": {"parameter": "strength", "values": [0.25, 0.75]},
    "columns": {"parameter": "guidance_scale", "values": [3, 7]},
}


class Workplace:
    """A gateway, and as many worker processes as a test starts."""

    def __init__(self, redis_url: str, folder: Path, editor_url: str, tagger_url: str) -> None:
        self._folder = folder
        self.environment = {
            "REDIS_URL": redis_url,
            "STORAGE_URL": str(folder / "blobs"),
            "EDITOR_URL": editor_url,
            "TAGGER_URL": tagger_url,
            "JOB_LEASE": "1.5",
            "WORKER_QUEUES": "edit",
            "WORKER_EDITOR_RETRY_SECONDS": "30",
            "WORKER_PROGRESS_INTERVAL": "0",
            "WORKER_HEARTBEAT_FILE": str(folder / "heartbeat"),
        }
        self.redis = Redis.from_url(redis_url, decode_responses=True)
        self.jobs = JobStore(self.redis, lease_seconds=1.5, retention_seconds=3600)
        self.store = EditStore(Storage(str(folder / "blobs")))
        self._workers: list[subprocess.Popen[bytes]] = []
        self.http = httpx.Client(timeout=60)

    def start_worker(self, **environment: str) -> "subprocess.Popen[bytes]":
        with (self._folder / f"worker-{len(self._workers)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker"],
                env={**os.environ, **self.environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._workers.append(process)
        return process

    def kill(self, worker: "subprocess.Popen[bytes]") -> None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("worker-*.log")))

    def edit(self, content: bytes = ROOM, **fields: object) -> Job:
        data = {"prompt": "a red room", **{name: str(value) for name, value in fields.items()}}
        answer = self.http.post("/edits", files={"image": ("room.png", content)}, data=data)
        assert answer.status_code == 202, answer.text
        return Job.model_validate(answer.json())

    def series(self, series: object = GRID, photos: list[bytes] | None = None, mask: bytes | None = None) -> Job:
        files = [("image", (f"room {n}.png", content)) for n, content in enumerate(photos or [ROOM])]
        if mask:
            files.append(("mask", ("mask.png", mask)))
        answer = self.http.post("/edits/series", files=files, data={"parameters": json.dumps(series)})
        assert answer.status_code == 202, answer.text
        return Job.model_validate(answer.json())

    def get(self, job: Job) -> Job:
        answer = self.http.get(f"/jobs/{job.id}")
        assert answer.status_code == 200, answer.text
        return Job.model_validate(answer.json())

    def finished(self, job: Job) -> Job:
        self.until(lambda: self.get(job).state.finished)
        return self.get(job)

    def result(self, job: Job) -> EditResult:
        found = self.finished(job)
        assert found.state is JobState.SUCCEEDED, (found, self.logs())
        return EditResult.model_validate(self.http.get(f"/jobs/{job.id}/result").json())

    def picture(self, url: str | None) -> Image.Image:
        assert url is not None
        answer = self.http.get(url)
        assert answer.status_code == 200, answer.text
        return Image.open(io.BytesIO(answer.content))

    def until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT
        while not happened():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)

    def close(self) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                self.kill(worker)
        self.http.close()
        self.redis.close()


@contextmanager
def edit_workplace(redis_url: str, folder: Path, *, editor_url: str, tagger_url: str) -> Iterator[Workplace]:
    place = Workplace(redis_url, folder, editor_url, tagger_url)
    settings = GatewaySettings(
        redis_url=redis_url,
        storage_url=str(folder / "blobs"),
        upload_folder=folder / "incoming",
        editor_url=editor_url,
        tagger_url=tagger_url,
        job_lease=1.5,
    )
    with served(create_app(settings)) as (url, _):
        place.http.base_url = httpx.URL(url)
        try:
            yield place
        finally:
            place.close()
