"""The running services, measured from outside, as their users meet them."""

import asyncio
import io
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import skimage
from PIL import Image

from benchmarks.measure import BEAMS

WAIT_SECONDS = 3600
CLIENTS = 32


@dataclass(frozen=True)
class VideoRun:
    """One video job: its id, the frames it sampled, and its seconds from start to end without upload and queue."""

    id: str
    frames: int
    seconds: float


def analyse(gateway: str, clip: Path, every_n_second: float, **parameters: str) -> VideoRun:
    """Run a video job; the clip must not have been analysed in the same way before."""
    with httpx.Client(base_url=gateway, timeout=120, trust_env=False) as http:
        with clip.open("rb") as file:
            load = {"every_n_second": str(every_n_second), **parameters}
            started = http.post("/video_captions", params=load, files={"video": file})
        started.raise_for_status()
        job: dict[str, Any] = started.json()
        deadline = time.monotonic() + WAIT_SECONDS
        while job["state"] in ("queued", "running"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {job['id']} is {job['state']} after {WAIT_SECONDS} s")
            time.sleep(0.2)
            job = http.get(f"/jobs/{job['id']}").raise_for_status().json()
        if job["state"] != "succeeded":
            raise RuntimeError(f"job {job['id']} {job['state']}: {job.get('error')}")
        seconds = _seconds(job["started_at"], job["finished_at"])
        return VideoRun(id=str(job["id"]), frames=int(job["progress"]["done"]), seconds=seconds)


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


class CpuSeconds:
    """A context manager that measures the CPU-seconds that processes spent, with their children, those ended too."""

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self._processes = processes
        self.seconds = 0.0

    def __enter__(self) -> "CpuSeconds":
        self.seconds = -self._spent()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += self._spent()

    def _spent(self) -> float:
        spent = 0.0
        for parent in self._processes:
            for process in (parent, *parent.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    spent += sum(process.cpu_times()[:4])  # user and system, its own and of children that ended
        return spent


class PeakMemory:
    """A context manager that measures the most memory, in bytes, that a process and its children held together.

    Counted are their unique set sizes: what would be free if they ended.
    """

    def __init__(self, process: psutil.Process, interval: float = 0.2) -> None:
        self._process, self._interval = process, interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bytes = 0

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            held = 0
            for process in (self._process, *self._process.children(recursive=True)):
                try:
                    held += process.memory_full_info().uss
                except psutil.NoSuchProcess:
                    continue
            self.bytes = max(self.bytes, held)


@dataclass(frozen=True)
class Question:
    """What each client posts with a photo: a form with the photo in ``field``, or what ``body`` makes of it as JSON."""

    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    data: Mapping[str, str | list[str]] = field(default_factory=dict)
    field: str = "image"
    body: Callable[[bytes], dict[str, Any]] | None = None


CAPTION = Question("/caption", params={"beams": BEAMS})
TAGS = Question("/tags", field="images", data={"labels": ["cat", "coffee", "rocket", "portrait", "night sky", "dog"]})


def photos_a_second(server: str, question: Question, *, clients: int, requests: int) -> float:
    """Measure photos a second with ``clients`` at once, each asking about one photo after the other."""
    load = asyncio.run(ask(server, question, photo_files(), clients=clients, requests=requests))
    return requests / (load.ended - load.began)


@dataclass(frozen=True)
class Asked:
    """Requests that were answered: the seconds that each took, and when all began and ended (``time.time()``)."""

    took: list[float]
    began: float
    ended: float


async def ask(server: str, question: Question, photos: Sequence[bytes], *, clients: int, requests: int) -> Asked:
    """Share ``requests`` between ``clients`` at once, each with the next of the photos.

    Raises RuntimeError for an answer other than 2xx: unlike httpx's, it can travel between processes.
    """
    bodies = [question.body(photo) if question.body else {} for photo in photos]
    numbers, took = iter(range(requests)), list[float]()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=server, timeout=600, limits=limits, trust_env=False) as http:

        async def client() -> None:
            for number in numbers:
                which = number % len(photos)
                started = time.perf_counter()
                if question.body:
                    answer = await http.post(question.path, json=bodies[which])
                else:
                    file = {question.field: ("photo.jpg", photos[which], "image/jpeg")}
                    answer = await http.post(question.path, params=question.params, data=question.data, files=file)
                if not answer.is_success:
                    raise RuntimeError(f"{answer.status_code}: {answer.text[:300]}")
                took.append(time.perf_counter() - started)

        began = time.time()
        await asyncio.gather(*(client() for _ in range(clients)))
        return Asked(took, began, time.time())


def photo_files(width: int = 500, quality: int = 88) -> list[bytes]:
    """Cut scikit-image's photos to JPEG files, 4 : 3, each ``width`` pixels wide, like a photo folder's thumbnails."""
    folder = Path(skimage.__file__).parent / "data"
    size, crops = (width, width * 3 // 4), []
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"):
        picture = Image.open(folder / name).convert("RGB")
        for turn in range(8):
            left, top = (np.array(picture.size) * turn / 40).astype(int).tolist()
            buffer = io.BytesIO()
            picture.crop((left, top, picture.width, picture.height)).resize(size).save(buffer, "JPEG", quality=quality)
            crops.append(buffer.getvalue())
    return crops
