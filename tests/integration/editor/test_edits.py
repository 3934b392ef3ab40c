"""Edit jobs on the real editor: its own process with a tiny Stable Diffusion of random weights; real workers and Redis.
What is killed here is killed for real, in the middle of a picture.
"""

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image

from framesense.schemas.edits import EditorCapabilities
from framesense.schemas.jobs import Job, JobState
from framesense.storage.edits import PictureKind
from tests.support.edit_stack import EditStack, running_edit_stack
from tests.support.processes import ServerProcess, running_server
from tests.support.tiny_diffusion import save_pipeline
from tests.support.workers import LEASE_SECONDS, NOBODY

CAT = (Path(skimage.__file__).parent / "data" / "chelsea.png").read_bytes()
SLOW = {"prompt": "a red cat", "steps": 40, "strength": 1.0, "seed": 5}
"""A second or more of work a picture."""
pytestmark = pytest.mark.timeout(900)


CANCELLED = 'editor_edits_total{outcome="cancelled"}'
"""Edits that ended because nobody waited for them any more."""
NOTICED = LEASE_SECONDS / 6
"""Seconds between two looks of a worker at whether its job is still wanted."""


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    model = save_pipeline(tmp_path_factory.mktemp("models") / "tiny")
    settings = {"editor_model": f"path:{model}", "editor_preview_interval": 0}
    with running_server("editor", tmp_path_factory.mktemp("editor"), **settings) as running:
        yield running


@pytest.fixture
def stack(redis_url: str, tmp_path: Path, editor: ServerProcess) -> Iterator[EditStack]:
    with running_edit_stack(redis_url, tmp_path, editor_url=editor.url, tagger_url=NOBODY) as running:
        running.environment["WORKER_EDITOR_RETRY_SECONDS"] = "250"
        yield running


def _slow_series(stack: EditStack, pictures: int) -> Job:
    axis = {"parameter": "guidance_scale", "values": list(range(1, pictures + 1))}
    return stack.series({"base": SLOW, "columns": axis}, [CAT])


def _stored(stack: EditStack, job: Job) -> list[bytes]:
    """The descriptions of the pictures finished so far: with the seconds each took, no two makings write the same."""
    return [image.model_dump_json().encode() for image in stack.store.images(job.id)]


def _in_the_middle(stack: EditStack, job: Job, finished: int) -> int:
    """Wait until so many pictures are finished, and another is not yet half done; return which one, from 1."""
    picture = 0

    def begun() -> bool:
        nonlocal picture
        message = stack.get(job).progress.message
        said = re.fullmatch(r"picture (\d+) of \d+, step (\d+) of (\d+)", message)
        picture, step, steps = map(int, said.groups()) if said else (0, 0, 0)
        return picture > finished and step <= steps / 2

    stack.wait_until(begun)
    return picture


def test_the_real_editors_pictures_are_what_was_asked_for(stack: EditStack) -> None:
    stack.start_worker()
    able = EditorCapabilities.model_validate(stack.http.get("/edits/capabilities").json())
    asked: dict[str, Any] = {"prompt": "a red cat", "seed": 11, "steps": 4, "strength": 0.6}
    mask = Image.new("L", (451, 300))
    mask.paste(255, (0, 0, 200, 300))
    stream = io.BytesIO()
    mask.save(stream, "PNG")
    files = {"image": ("cat.png", CAT), "mask": ("mask.png", stream.getvalue())}
    data = {name: str(value) for name, value in {**asked, "mask_blur": 0, "images": 2}.items()}
    answer = stack.http.post("/edits", files=files, data=data, headers={"Prefer": "wait=200"})
    assert answer.status_code == 200, (answer.text, stack.logs)
    result = stack.result(Job.model_validate(stack.http.get(answer.headers["location"]).json()))
    assert result.model == able.model
    first, second = result.images
    assert (first.seed, second.seed) == (11, 12)
    assert first.change is not None and first.change.outside == 0
    pixels = [np.asarray(stack.picture(image.image_url)) for image in result.images]
    photo = np.asarray(Image.open(io.BytesIO(CAT)))
    assert all(np.array_equal(picture[:, 200:], photo[:, 200:]) for picture in pixels), "outside of the mask"
    assert not np.array_equal(pixels[0], pixels[1])
    text = stack.picture(first.image_url).text["parameters"]  # type: ignore[attr-defined]
    assert "Steps: 4, Sampler: " in text and "Seed: 11, Size: 451x300" in text
    assert stack.picture(first.change_map_url).size == stack.picture(first.mask_url).size == (451, 300)

    again = stack.result(stack.edit(CAT, **asked, mask_blur=0, preserve="none"))
    once_more = stack.result(stack.edit(CAT, **asked, mask_blur=0, preserve="none"))
    same = [stack.store.png(found.job_id, PictureKind.IMAGE, 0) for found in (again, once_more)]
    assert Image.open(io.BytesIO(same[0])).tobytes() == Image.open(io.BytesIO(same[1])).tobytes()


def test_a_worker_killed_in_the_middle_of_a_series(stack: EditStack, editor: ServerProcess) -> None:
    first = stack.start_worker()
    cancelled = editor.metric(CANCELLED)
    job = _slow_series(stack, 6)
    _in_the_middle(stack, job, 2)
    with editor.paused():  # or it may be done with the picture before the worker is dead
        stack.kill(first)
        kept = _stored(stack, job)
    assert 2 <= len(kept) < 6 and stack.get(job).state is JobState.RUNNING
    stack.wait_until(lambda: editor.metric(CANCELLED) == cancelled + 1)
    stack.start_worker()
    result = stack.result(job)
    assert len(result.images) == 6
    assert _stored(stack, job)[: len(kept)] == kept, "finished pictures are not made again"
    assert stack.picture(result.contact_sheet_url).width > 0


def test_an_editor_killed_in_the_middle_of_a_picture(stack: EditStack, editor: ServerProcess) -> None:
    stack.start_worker()
    job = stack.edit(CAT, **SLOW, images=3)
    _in_the_middle(stack, job, 1)
    editor.kill()
    kept = _stored(stack, job)
    stack.wait_until(lambda: stack.get(job).progress.message == "waiting for the editor")
    editor.start()
    result = stack.result(job)
    assert [image.seed for image in result.images] == [5, 6, 7]
    assert kept and _stored(stack, job)[: len(kept)] == kept
    assert "broke off" in stack.logs


def test_a_single_edit_passes_a_series_and_a_cancelled_job_frees_the_editor(
    stack: EditStack, editor: ServerProcess
) -> None:
    stack.start_worker()
    series = _slow_series(stack, 20)
    picture = _in_the_middle(stack, series, 0)
    single = stack.edit(CAT, prompt="a red cat", steps=2)
    assert stack.get(single).queue_position == 0
    stack.result(single)
    passed = stack.get(series)
    assert passed.state in (JobState.QUEUED, JobState.RUNNING)
    assert len(_stored(stack, series)) == picture, "it waited for one picture only"
    stack.wait_until(lambda: stack.get(series).state is JobState.RUNNING)
    _in_the_middle(stack, series, picture)
    preview = stack.picture(f"/jobs/{series.id}/preview.jpg")
    assert preview.format == "JPEG"
    cancelled = editor.metric(CANCELLED)
    with editor.paused():  # or it may be done with the picture before the worker knows
        assert stack.http.delete(f"/jobs/{series.id}").json()["state"] == "cancelled"
        time.sleep(4 * NOTICED)
    stack.wait_until(lambda: editor.metric(CANCELLED) == cancelled + 1)
    stack.result(stack.edit(CAT, prompt="a red cat", steps=2))
    assert len(_stored(stack, series)) < 20
    assert stack.http.delete(f"/jobs/{series.id}").status_code == 204
    assert not _stored(stack, series)
