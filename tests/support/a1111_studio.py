"""A gateway for A1111's clients, with an editor that says what it can do and a test that plays the worker."""

import base64
import io
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import skimage
from fastapi import FastAPI
from PIL import Image
from redis import Redis

from framesense.edits.png_metadata import picture_texts, with_texts
from framesense.http.app import create_service
from framesense.jobs.queue import QUEUES, waiting
from framesense.schemas.edits import (
    Change,
    EditedImage,
    EditorCapabilities,
    EditParameters,
    EditResult,
    Preserve,
    PromptSimilarity,
    SamplerInfo,
    SchedulerName,
    SeriesParameters,
    Task,
)
from framesense.schemas.jobs import Job, JobKind
from framesense.schemas.models import ModelInfo
from framesense.schemas.problems import Problem
from framesense.storage.edits import EditStore, FinishedPicture
from tests.support.gateway_process import Gateway, problem, running_gateway, served
from tests.support.waiting import wait_until

PHOTO = np.asarray(Image.open(Path(skimage.__file__).parent / "data/chelsea.png").convert("RGB"))
"""300 × 451 × 3."""
MODEL = ModelInfo(
    service="editor", name="paint", family="none", revision="0123456789abcdef", device="cpu", dtype="f", parameters=0
)
CAPABILITIES = EditorCapabilities(
    tasks=[Task.EDIT, Task.UPSCALE_X2, Task.UPSCALE_X4],
    preserve=list(Preserve),
    schedulers=[SamplerInfo(name=name, title=name) for name in (SchedulerName.EULER_A, SchedulerName.DPMPP_2M)],
    default_scheduler=SchedulerName.EULER_A,
    default_steps=10,
    default_guidance_scale=5,
    size=64,
    multiple_of=8,
    note="A painter.",
    model=MODEL,
)


def file(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(stream, kind, **options)
    return stream.getvalue()


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def decoded(text: str) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


CAT = encoded(file(PHOTO))
SQUARE = encoded(file(PHOTO[:256, :256]))


def stub_editor(capable_of: EditorCapabilities) -> FastAPI:
    """Says what it can do, and nothing else: no job gets as far."""
    app = create_service("stub editor")

    @app.get("/capabilities")
    def capabilities() -> EditorCapabilities:
        return capable_of

    return app


@dataclass
class Studio:
    """The gateway, and a worker made of the test's own hands."""

    gateway: Gateway

    @property
    def store(self) -> EditStore:
        return EditStore(self.gateway.storage)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.gateway.http.post(f"/sdapi/v1/{path}", json=body, timeout=60, **options)

    def get(self, path: str, **query: Any) -> Any:
        answer = self.gateway.http.get(f"/sdapi/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def jobs(self) -> list[Job]:
        return self.gateway.jobs.page().jobs

    def sent(self, path: str, body: Any, **options: Any) -> "Sent":
        """The request on its way, once its job is there."""
        before = {job.id for job in self.jobs()}
        answer: Future[httpx.Response] = Future()

        def ask() -> None:
            try:
                answer.set_result(self.post(path, body, **options))
            except BaseException as error:
                answer.set_exception(error)

        threading.Thread(target=ask, daemon=True).start()
        wait_until(lambda: answer.done() or len(self.jobs()) > len(before))
        if answer.done():
            raise AssertionError(answer.result().text)
        (job,) = (job for job in self.jobs() if job.id not in before)
        with Redis.from_url(self.gateway.settings.redis_url, decode_responses=True) as redis:
            wait_until(lambda: job.id in waiting(redis, QUEUES[job.kind]))
            clients = "framesense:a1111:client:*"
            wait_until(lambda: any(redis.zscore(key, job.id) for key in redis.keys(clients)))
        return Sent(self, job, answer)


@dataclass
class Sent:
    studio: Studio
    job: Job
    answer: "Future[httpx.Response]"

    @property
    def parameters(self) -> EditParameters:
        if self.job.kind is JobKind.EDIT_SERIES:
            return SeriesParameters.model_validate(self.job.parameters).base
        return EditParameters.model_validate(self.job.parameters)

    def photo(self, index: int = 0) -> np.ndarray[Any, Any]:
        return np.asarray(Image.open(io.BytesIO(self.studio.store.photo(self.job.id, index))).convert("RGB"))

    def mask(self) -> np.ndarray[Any, Any]:
        return np.asarray(Image.open(io.BytesIO(self.studio.store.mask(self.job.id))).convert("L"))

    def started(self) -> "Sent":
        assert self.studio.gateway.jobs.start(self.job.id)
        return self

    def paint(self, index: int, pixels: Any, **changes: Any) -> None:
        """The worker's picture, with its texts."""
        height, width = np.asarray(pixels).shape[:2]
        asked = self.parameters
        seed = (asked.seed or 0) + index
        filled = {"steps": asked.steps or 10, "guidance_scale": asked.guidance_scale or 5, "seed": seed}
        image = EditedImage(
            index=index,
            seed=seed,
            width=width,
            height=height,
            parameters=asked.model_copy(update={"scheduler": asked.scheduler or SchedulerName.EULER_A, **filled}),
            change=Change(inside=0.5, outside=0.25, region=1),
            agreement=PromptSimilarity(before=0.1, after=0.3, gain=0.2, photo_similarity=0.9),
            seconds=0.1,
            method="paint",
            notes=["painted by hand"],
        ).model_copy(update=changes)
        png = with_texts(file(pixels), picture_texts(image, MODEL))
        self.studio.store.append(self.job.id, FinishedPicture(image=image, png=png, thumbnail=b"jpeg"))

    def finished(self) -> dict[str, Any]:
        store, jobs = self.studio.store, self.studio.gateway.jobs
        images = store.images(self.job.id)
        result = EditResult(
            job_id=self.job.id, name=self.job.name, parameters=self.parameters, images=images, model=MODEL
        )
        store.finish(self.job.id, result, None)
        assert jobs.succeed(self.job.id, f"/jobs/{self.job.id}/result")
        return self.answered()

    def answered(self) -> dict[str, Any]:
        answer = self.answer.result(timeout=30)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-job-id"] == self.job.id
        body: dict[str, Any] = answer.json()
        return body


@contextmanager
def running_studio(redis_url: str, folder: Path, capabilities: EditorCapabilities = CAPABILITIES) -> Iterator[Studio]:
    limits = {"max_image_bytes": 2_000_000, "max_image_request_bytes": 8_000_000, "max_image_pixels": 1_000_000}
    more = {"upload_idle_timeout": 1.0, "edit_max_photos": 4}
    with (
        served(stub_editor(capabilities)) as (url, _),
        running_gateway(redis_url, folder, editor_url=url, **limits, **more) as gateway,
    ):
        yield Studio(gateway)


def refused(answer: httpx.Response, status: int) -> Problem:
    """A problem document, and that API's own error."""
    found = problem(answer, status)
    assert answer.json()["errors"] == found.detail
    assert answer.json()["error"] == found.title
    return found


def rectangle(top: int, bottom: int, left: int, right: int) -> np.ndarray[Any, Any]:
    mask = np.zeros(PHOTO.shape[:2], np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


VALID = {"init_images": [SQUARE], "prompt": "night"}
WITH_MASK = {**VALID, "mask": encoded(file(rectangle(0, 9, 0, 9)))}
TOO_LARGE = encoded(file(np.zeros((1001, 1000, 3))))
