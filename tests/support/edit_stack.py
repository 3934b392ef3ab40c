"""A gateway with real Redis and real workers for edits; the editor is whatever listens at the address given."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image

from framesense.schemas.edits import EditResult
from framesense.schemas.jobs import Job, JobState
from framesense.storage.edits import EditStore
from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.support.gateway_process import served
from tests.support.photos import photo
from tests.support.workers import LEASE_SECONDS, WorkerStack

ROOM = photo("blue", size=(96, 64), kind="PNG")
GRID = {
    "base": {"prompt": "a red room", "seed": 5},
    "rows": {"parameter": "strength", "values": [0.25, 0.75]},
    "columns": {"parameter": "guidance_scale", "values": [3, 7]},
}


class EditStack(WorkerStack):
    """A gateway, and as many workers for edits as a test starts."""

    def __init__(self, redis_url: str, folder: Path, editor_url: str, tagger_url: str) -> None:
        patient = {"worker_queues": "edit", "worker_editor_retry_seconds": 30, "worker_progress_interval": 0}
        super().__init__(redis_url, folder, editor_url=editor_url, tagger_url=tagger_url, **patient)
        self.store = EditStore(self.storage)
        self.http = httpx.Client(timeout=60)

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

    def result(self, job: Job) -> EditResult:
        found = self.finished(job)
        assert found.state is JobState.SUCCEEDED, (found, self.logs)
        return EditResult.model_validate(self.http.get(f"/jobs/{job.id}/result").json())

    def picture(self, url: str | None) -> Image.Image:
        assert url is not None
        answer = self.http.get(url)
        assert answer.status_code == 200, answer.text
        return Image.open(io.BytesIO(answer.content))

    def close(self) -> None:
        super().close()
        self.http.close()


@contextmanager
def running_edit_stack(redis_url: str, folder: Path, *, editor_url: str, tagger_url: str) -> Iterator[EditStack]:
    stack = EditStack(redis_url, folder, editor_url, tagger_url)
    settings = GatewaySettings(
        redis_url=redis_url,
        storage_url=str(folder / "blobs"),
        upload_folder=folder / "incoming",
        editor_url=editor_url,
        tagger_url=tagger_url,
        job_lease=LEASE_SECONDS,
    )
    with served(create_app(settings)) as (url, _):
        stack.http.base_url = httpx.URL(url)
        try:
            yield stack
        finally:
            stack.close()
