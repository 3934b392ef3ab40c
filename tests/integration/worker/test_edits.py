"""Edit jobs whole: real gateway, real Redis, real Celery processes. The editor is a stand-in here, since these tests
count what it is asked, hold it at a step and break its answers off; the real one is in test_edits_editor.py."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from framesense.schemas.edits import EditResult
from framesense.schemas.jobs import Job, JobState
from framesense.schemas.problems import Problem
from tests.support.colour_tagger import ColourTagger
from tests.support.edit_stack import GRID, ROOM, EditStack, running_edit_stack
from tests.support.gateway_process import served
from tests.support.paint_editor import MODEL, PaintEditor
from tests.support.photos import photo


@pytest.fixture
def editor() -> PaintEditor:
    return PaintEditor()


@pytest.fixture
def tagger() -> ColourTagger:
    return ColourTagger()


@pytest.fixture
def stack(redis_url: str, tmp_path: Path, editor: PaintEditor, tagger: ColourTagger) -> Iterator[EditStack]:
    with (
        served(editor.app()) as (editor_url, _),
        served(tagger.app()) as (tagger_url, _),
        running_edit_stack(redis_url, tmp_path, editor_url=editor_url, tagger_url=tagger_url) as stack,
    ):
        yield stack


def test_a_photo_is_edited_and_says_how(stack: EditStack, editor: PaintEditor, tagger: ColourTagger) -> None:
    stack.start_worker()
    job = stack.edit(strength=0.5, steps=8, guidance_scale=7, negative_prompt="people, cars", scheduler="euler_a")
    result = stack.result(job)
    assert result.model == MODEL
    (image,) = result.images
    assert (image.index, image.photo, image.width, image.height) == (0, "room.png", 96, 64)
    assert image.seed == result.parameters.seed == stack.get(job).parameters["seed"]
    assert (image.parameters.steps, image.parameters.strength) == (8, 0.5)
    assert "knows colours only" in image.notes
    assert image.change is not None and image.change.inside > 0.1
    assert image.agreement is not None
    assert image.agreement.gain == pytest.approx(image.agreement.after - image.agreement.before)
    assert image.agreement.gain > 0.1, "half red is nearer to red than blue was"
    assert 0 < image.agreement.photo_similarity < 1
    assert result.best is None and result.contact_sheet_url is None

    picture = stack.picture(image.image_url)
    assert picture.size == (96, 64)
    red, _, blue = picture.resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    assert red > 100 and blue > 100
    assert picture.text["parameters"] == (  # type: ignore[attr-defined]
        "a red room\nNegative prompt: people, cars\nSteps: 8, Sampler: Euler a, CFG scale: 7, "
        f"Seed: {image.seed}, Size: 96x64, Model hash: 1, Model: paint, Denoising strength: 0.5, Version: Framesense"
    )
    said = json.loads(picture.text["framesense"])  # type: ignore[attr-defined]
    assert said["parameters"]["prompt"] == "a red room" and said["model"]["name"] == "paint"
    assert stack.picture(image.change_map_url).mode == "L"
    assert image.mask_url is None
    assert stack.http.get(image.photo_url or "").content == ROOM
    done = stack.get(job)
    assert done.progress.done == done.progress.total == 4
    assert done.progress.message == "1 of 1 pictures"


def test_several_pictures_have_seeds_one_after_another(stack: EditStack, editor: PaintEditor) -> None:
    stack.start_worker()
    result = stack.result(stack.edit(images=3, seed=40))
    assert [image.seed for image in result.images] == [40, 41, 42] == editor.seeds
    assert len(editor.requests) == 1, "asked for at once, so that the editor may make them together"
    assert result.best in (0, 1, 2)
    assert result.parameters.images == 3


def test_words_alone_and_a_mask(stack: EditStack) -> None:
    stack.start_worker()
    answer = stack.http.post(
        "/edits", files={"task": (None, "generate"), "prompt": (None, "a red room")}, headers={"Prefer": "wait=60"}
    )
    assert answer.status_code == 200, (answer.text, stack.logs)
    (generated,) = EditResult.model_validate(answer.json()).images
    assert generated.photo_url is None and generated.change_map_url is None and generated.agreement is None
    mask = Image.new("L", (96, 64))
    mask.paste(255, (0, 0, 48, 64))
    stream = io.BytesIO()
    mask.save(stream, "PNG")
    files = {"image": ("room.png", ROOM), "mask": ("mask.png", stream.getvalue())}
    answer = stack.http.post("/edits", files=files, data={"prompt": "a red room", "strength": "1"})
    (masked,) = stack.result(Job.model_validate(answer.json())).images
    assert masked.parameters.preserve == "mask"
    assert stack.picture(masked.mask_url).size == (96, 64)
    before = Image.open(io.BytesIO(ROOM)).crop((48, 0, 96, 64))
    after = stack.picture(masked.image_url).crop((48, 0, 96, 64))
    assert before.tobytes() == after.tobytes(), "what the mask keeps is kept to the bit"


def test_a_series_makes_every_picture_and_one_sheet(stack: EditStack, editor: PaintEditor) -> None:
    stack.start_worker()
    job = stack.series({**GRID, "columns": {"parameter": "seed", "values": [1, 2, 3]}})
    result = stack.result(job)
    assert result.rows == ["strength 0.25", "strength 0.75"]
    assert result.columns == ["seed 1", "seed 2", "seed 3"]
    assert editor.seeds == [1, 2, 3, 1, 2, 3]
    assert [(image.row, image.column) for image in result.images] == [
        (row, column) for row in result.rows for column in result.columns
    ]
    gains = [image.agreement.gain for image in result.images if image.agreement]
    assert len(gains) == 6
    assert result.best is not None and result.best >= 3, "more of it is redder"
    sheet = stack.picture(result.contact_sheet_url)
    assert sheet.width > 4 * 150 and sheet.height > 2 * 64
    picture = stack.http.get(f"/jobs/{job.id}/images/5.jpg")
    assert Image.open(io.BytesIO(picture.content)).format == "JPEG"
    assert stack.get(job).progress.message == "drawing the contact sheet"

    with zipfile.ZipFile(io.BytesIO(stack.http.get(f"/jobs/{job.id}/export.zip").content)) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        assert EditResult.model_validate_json(archive.read("result.json")).best == result.best
    assert len([name for name in names if name.startswith("image")]) == 6
    assert {"contact-sheet.png", "result.json"} <= set(names)


def test_one_change_over_many_photos(stack: EditStack) -> None:
    stack.start_worker()
    photos = [photo("blue", size=(64, 48)), photo("green", size=(48, 64)), photo("white", size=(64, 64))]
    series = {"base": {"prompt": "a red room", "seed": 5, "strength": 0.5}, "sort": "agreement"}
    result = stack.result(stack.series(series, photos))
    assert result.rows == ["room 0.png", "room 1.png", "room 2.png"] == [image.photo for image in result.images]
    assert {image.seed for image in result.images} == {5}
    assert [image.photo_index for image in result.images] == [0, 1, 2]
    assert stack.picture(result.contact_sheet_url).width > 300


def test_a_single_edit_passes_a_long_series(stack: EditStack, editor: PaintEditor) -> None:
    editor.go = threading.Semaphore(0)
    stack.start_worker()
    series = stack.series({**GRID, "rows": {"parameter": "seed", "values": list(range(10))}})
    stack.wait_until(lambda: stack.get(series).state is JobState.RUNNING)
    waiting = stack.series()
    single = stack.edit(seed=777)
    assert stack.get(single).queue_position == 0, "before the series that waits"
    assert stack.get(waiting).queue_position == 1
    assert stack.get(series).queue_position is None
    editor.go.release(2)  # the first picture of the series has two steps
    stack.wait_until(lambda: len(stack.store.images(series.id)) == 1)
    stack.wait_until(lambda: stack.get(single).state is JobState.RUNNING)
    interrupted = stack.get(series)
    assert interrupted.state is JobState.QUEUED
    assert interrupted.queue_position == 1, "behind the series that was there when it gave way"
    assert stack.http.get(f"/jobs/{series.id}/images/0.png").status_code == 200
    editor.go.release(1000)
    stack.result(single)
    assert len(stack.result(series).images) == 20
    assert len(stack.result(waiting).images) == 4
    assert editor.seeds[1] == 777, "right after the first picture of the series"
    assert len(editor.seeds) == 25, "no picture was made twice"
    assert stack.logs.count("gave way") == 1


def test_a_killed_workers_series_is_finished_by_another_without_making_a_picture_twice(
    stack: EditStack, editor: PaintEditor
) -> None:
    editor.go = threading.Semaphore(5)  # two pictures of two steps, and one step more
    first = stack.start_worker()
    series = {**GRID, "rows": {"parameter": "seed", "values": [10, 11, 12]}}
    job = stack.series(series)
    stack.wait_until(lambda: len(stack.store.images(job.id)) == 2 and stack.get(job).progress.done == 5)
    stack.kill(first)
    assert stack.get(job).state is JobState.RUNNING
    stack.wait_until(lambda: editor.left == 1)
    editor.go.release(1000)
    stack.start_worker()
    result = stack.result(job)
    assert [image.seed for image in result.images] == [10, 10, 11, 11, 12, 12]
    assert editor.seeds[:2] == [10, 10] and sorted(editor.seeds) == [10, 10, 11, 11, 12, 12]


def test_a_killed_workers_edit_goes_on_with_the_seeds_that_are_missing(stack: EditStack, editor: PaintEditor) -> None:
    editor.go = threading.Semaphore(5)
    first = stack.start_worker()
    job = stack.edit(images=4, seed=20)
    stack.wait_until(lambda: len(stack.store.images(job.id)) == 2 and stack.get(job).progress.done == 5)
    stack.kill(first)
    stack.wait_until(lambda: editor.left == 1)
    editor.go.release(1000)
    stack.start_worker()
    assert [image.seed for image in stack.result(job).images] == [20, 21, 22, 23] == editor.seeds
    assert [(asked.seed, asked.images) for asked in editor.requests] == [(20, 4), (22, 2)]


def test_cancelling_stops_the_editor_too(stack: EditStack, editor: PaintEditor) -> None:
    editor.go = threading.Semaphore(1)
    stack.start_worker()
    job = stack.edit()
    stack.wait_until(lambda: stack.http.get(f"/jobs/{job.id}/preview.jpg").status_code == 200)
    assert stack.picture(f"/jobs/{job.id}/preview.jpg").format == "JPEG"
    running = stack.get(job)
    assert (running.progress.done, running.progress.total) == (1, 2)
    assert running.progress.message == "picture 1 of 1, step 1 of 2"
    assert stack.http.delete(f"/jobs/{job.id}").json()["state"] == "cancelled"
    stack.wait_until(lambda: editor.left == 1)
    stack.wait_until(lambda: f"job {job.id}: stopped: cancelled" in stack.logs)
    assert stack.http.get(f"/jobs/{job.id}/result").status_code == 410
    assert stack.http.delete(f"/jobs/{job.id}").status_code == 204
    assert not stack.store.images(job.id)
    editor.go.release(100)
    assert stack.result(stack.edit()).images
    assert editor.left == 1


def test_an_answer_that_breaks_off_is_asked_for_again(stack: EditStack, editor: PaintEditor) -> None:
    editor.breaks = 2
    stack.start_worker()
    assert stack.result(stack.edit(seed=3)).images[0].seed == 3
    assert len(editor.requests) == 3
    editor.breaks = 100
    failed = stack.finished(stack.edit())
    assert failed.error is not None and (failed.error.status, failed.error.title) == (500, "Editor died")
    assert "broke off 3 times at picture 1 of 1" in failed.error.detail


def test_an_absent_editor_is_waited_for(stack: EditStack, editor: PaintEditor) -> None:
    editor.ill = True
    stack.start_worker()
    job = stack.edit()
    stack.wait_until(lambda: stack.get(job).progress.message == "waiting for the editor")
    editor.ill = False
    assert stack.result(job).images


def test_what_the_editor_refuses_and_how_it_fails_are_told(stack: EditStack, editor: PaintEditor) -> None:
    stack.start_worker(WORKER_EDITOR_RETRY_SECONDS="0.5")
    refused = stack.finished(stack.edit(prompt="a zebra"))
    assert refused.error is not None
    assert (refused.error.status, refused.error.detail) == (422, "A zebra is no colour.")
    editor.failure = Problem(title="Out of memory", status=507, detail="Send a smaller photo.")
    failed = stack.finished(stack.edit())
    assert failed.error is not None and failed.error.detail == "Send a smaller photo."
    editor.failure, editor.ill = None, True
    absent = stack.finished(stack.edit())
    assert absent.error is not None and absent.error.status == 503
    assert "send the edit again" in absent.error.detail


def test_without_a_tagger_pictures_are_made_all_the_same(stack: EditStack, tagger: ColourTagger) -> None:
    tagger.ill = True
    stack.start_worker()
    result = stack.result(stack.series())
    assert [image.agreement for image in result.images] == [None] * 4
    assert all(any("tagger does not answer" in note for note in image.notes) for image in result.images)
    assert result.best is None and result.contact_sheet_url is not None


def test_another_editor_or_tagger_midway_is_told_and_not_compared(
    stack: EditStack, editor: PaintEditor, tagger: ColourTagger
) -> None:
    editor.go = threading.Semaphore(0)
    stack.start_worker()
    job = stack.series({**GRID, "rows": {"parameter": "strength", "values": [0.25, 0.3, 0.75]}})
    stack.wait_until(lambda: len(editor.requests) == 1)
    editor.revision = "2"  # the first picture is still made by the old one
    editor.go.release(2)
    stack.wait_until(lambda: len(stack.store.images(job.id)) == 2)
    tagger.revision, tagger.dimensions = "2", 5
    editor.go.release(1000)
    result = stack.result(job)
    assert [image.model.revision for image in result.images if image.model] == ["1", "2", "2", "2", "2", "2"]
    assert result.model == MODEL
    noted = [any("the editor changed to paint" in note for note in image.notes) for image in result.images]
    assert noted == [False, True, True, True, True, True]
    assert json.loads(stack.picture(result.images[1].image_url).text["framesense"])["model"]["revision"] == "2"  # type: ignore[attr-defined]

    measured = [image.agreement.model.revision for image in result.images if image.agreement and image.agreement.model]
    assert measured == ["1", "1", "2", "2", "2", "2"]
    assert result.best in (0, 1), "the stronger ones are redder, but no one tagger has seen both"
    noted = [any("agreement is not to be compared" in note for note in image.notes) for image in result.images]
    assert noted == [False, False, True, True, True, True]
