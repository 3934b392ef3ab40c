"""Edit jobs on the real editor: its own process with a tiny Stable Diffusion of random weights; real workers and Redis.
What is killed here is killed for real, in the middle of a picture.
"""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import skimage
from PIL import Image

from framesense.schemas.edits import EditorCapabilities
from framesense.schemas.jobs import Job, JobState
from framesense.storage.edits import PictureKind
from tests.conftest import free_port
from tests.support.edit_stack import Workplace, edit_workplace
from tests.support.tiny_diffusion import save_pipeline

CAT = (Path(skimage.__file__).parent / "data" / "chelsea.png").read_bytes()
SLOW = {"prompt": "a red cat", "steps": 80, "strength": 1.0, "seed": 5}
"""Seconds of work a picture."""
pytestmark = pytest.mark.timeout(900)
NOBODY = "http://127.0.0.1:9"


@dataclass
class EditorProcess:
    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {**os.environ, **self.environment, "EDITOR_PORT": str(self.port)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "editor"], env=environment, stdout=log, stderr=log)

    def wait(self) -> None:
        while not self._ready():
            assert self.process is not None and self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def cancelled(self) -> float:
        """How many edits ended because nobody waited for them any more."""
        lines = [line for line in httpx.get(f"{self.url}/metrics").text.splitlines() if line.startswith("editor_edits")]
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if 'outcome="cancelled"' in line and "_total" in line
        )

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", timeout=30).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorProcess]:
    folder = tmp_path_factory.mktemp("editor")
    model = save_pipeline(tmp_path_factory.mktemp("models") / "tiny")
    environment = {"EDITOR_MODEL": f"path:{model}", "EDITOR_PREVIEW_INTERVAL": "0", "OMP_NUM_THREADS": "1"}
    running = EditorProcess(environment, folder / "log")
    running.start()
    running.wait()
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture
def workplace(redis_url: str, tmp_path: Path, editor: EditorProcess) -> Iterator[Workplace]:
    with edit_workplace(redis_url, tmp_path, editor_url=editor.url, tagger_url=NOBODY) as place:
        place.environment["WORKER_EDITOR_RETRY_SECONDS"] = "250"
        yield place


def _slow_series(workplace: Workplace, pictures: int) -> Job:
    axis = {"parameter": "guidance_scale", "values": list(range(1, pictures + 1))}
    return workplace.series({"base": SLOW, "columns": axis}, [CAT])


def _stored(workplace: Workplace, job: Job) -> list[bytes]:
    """The descriptions of the pictures finished so far: with the seconds each took, no two makings write the same."""
    return [image.model_dump_json().encode() for image in workplace.store.images(job.id)]


def _in_the_middle(workplace: Workplace, job: Job, finished: int) -> None:
    """Waits until so many pictures are finished, and the next one is begun."""

    def begun() -> bool:
        message = workplace.get(job).progress.message
        return message.startswith(f"picture {finished + 1} of ") and "step" in message

    workplace.until(begun)


def test_the_real_editors_pictures_are_what_was_asked_for(workplace: Workplace) -> None:
    workplace.start_worker()
    able = EditorCapabilities.model_validate(workplace.http.get("/edits/capabilities").json())
    asked: dict[str, Any] = {"prompt": "a red cat", "seed": 11, "steps": 4, "strength": 0.6}
    mask = Image.new("L", (451, 300))
    mask.paste(255, (0, 0, 200, 300))
    stream = io.BytesIO()
    mask.save(stream, "PNG")
    files = {"image": ("cat.png", CAT), "mask": ("mask.png", stream.getvalue())}
    data = {name: str(value) for name, value in {**asked, "mask_blur": 0, "images": 2}.items()}
    answer = workplace.http.post("/edits", files=files, data=data, headers={"Prefer": "wait=200"})
    assert answer.status_code == 200, (answer.text, workplace.logs())
    result = workplace.result(Job.model_validate(workplace.http.get(answer.headers["location"]).json()))
    assert result.model == able.model
    first, second = result.images
    assert (first.seed, second.seed) == (11, 12)
    assert first.change is not None and first.change.outside == 0
    pixels = [np.asarray(workplace.picture(image.image_url)) for image in result.images]
    photo = np.asarray(Image.open(io.BytesIO(CAT)))
    assert all(np.array_equal(picture[:, 200:], photo[:, 200:]) for picture in pixels), "outside of the mask"
    assert not np.array_equal(pixels[0], pixels[1])
    text = workplace.picture(first.image_url).text["parameters"]  # type: ignore[attr-defined]
    assert "Steps: 4, Sampler: " in text and "Seed: 11, Size: 451x300" in text
    assert workplace.picture(first.change_map_url).size == workplace.picture(first.mask_url).size == (451, 300)

    again = workplace.result(workplace.edit(CAT, **asked, mask_blur=0, preserve="none"))
    once_more = workplace.result(workplace.edit(CAT, **asked, mask_blur=0, preserve="none"))
    same = [workplace.store.png(found.job_id, PictureKind.IMAGE, 0) for found in (again, once_more)]
    assert Image.open(io.BytesIO(same[0])).tobytes() == Image.open(io.BytesIO(same[1])).tobytes()


def test_a_worker_killed_in_the_middle_of_a_series(workplace: Workplace, editor: EditorProcess) -> None:
    first = workplace.start_worker()
    cancelled = editor.cancelled()
    job = _slow_series(workplace, 4)
    _in_the_middle(workplace, job, 2)
    workplace.kill(first)
    kept = _stored(workplace, job)
    assert 2 <= len(kept) < 4 and workplace.get(job).state is JobState.RUNNING
    workplace.until(lambda: editor.cancelled() == cancelled + 1)
    workplace.start_worker()
    result = workplace.result(job)
    assert len(result.images) == 4
    assert _stored(workplace, job)[: len(kept)] == kept, "finished pictures are not made again"
    assert workplace.picture(result.contact_sheet_url).width > 0


def test_an_editor_killed_in_the_middle_of_a_picture(workplace: Workplace, editor: EditorProcess) -> None:
    workplace.start_worker()
    job = workplace.edit(CAT, **SLOW, images=3)
    _in_the_middle(workplace, job, 1)
    editor.kill()
    kept = _stored(workplace, job)
    workplace.until(lambda: workplace.get(job).progress.message == "waiting for the editor")
    editor.start()
    editor.wait()
    result = workplace.result(job)
    assert [image.seed for image in result.images] == [5, 6, 7]
    assert kept and _stored(workplace, job)[: len(kept)] == kept
    assert "broke off" in workplace.logs()


def test_a_single_edit_passes_a_series_and_a_cancelled_job_frees_the_editor(
    workplace: Workplace, editor: EditorProcess
) -> None:
    workplace.start_worker()
    series = _slow_series(workplace, 20)
    _in_the_middle(workplace, series, 0)
    single = workplace.edit(CAT, prompt="a red cat", steps=2)
    assert workplace.get(single).queue_position == 0
    workplace.result(single)
    passed = workplace.get(series)
    assert passed.state in (JobState.QUEUED, JobState.RUNNING)
    assert len(_stored(workplace, series)) == 1, "it waited for one picture only"
    workplace.until(lambda: workplace.get(series).state is JobState.RUNNING)
    _in_the_middle(workplace, series, 1)
    preview = workplace.picture(f"/jobs/{series.id}/preview.jpg")
    assert preview.format == "JPEG"
    cancelled = editor.cancelled()
    assert workplace.http.delete(f"/jobs/{series.id}").json()["state"] == "cancelled"
    workplace.until(lambda: editor.cancelled() == cancelled + 1)
    workplace.result(workplace.edit(CAT, prompt="a red cat", steps=2))
    assert len(_stored(workplace, series)) < 20
    assert workplace.http.delete(f"/jobs/{series.id}").status_code == 204
    assert not _stored(workplace, series)
