"""The parts of an edit job: its sheet, its progress, which picture is the best."""

import io

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from redis import Redis

from framesense.jobs.payloads import EditPayload, EditSource
from framesense.jobs.queue import create_celery, enqueue, waiting, waits
from framesense.jobs.store import JobStore
from framesense.schemas.edits import (
    MAX_SEED,
    Change,
    EditedImage,
    EditParameters,
    PromptSimilarity,
    SheetOrder,
    StepEvent,
    Task,
)
from framesense.schemas.jobs import JobKind, JobState
from framesense.settings import JobSettings
from tests.support.paint_editor import CAPABILITIES
from worker.edits.contact_sheet import Sheet, SheetPicture, draw_sheet, figures
from worker.edits.progress import ProgressReporter, expected_steps
from worker.edits.prompt_similarity import best_of
from worker.edits.runner import seed_after, thumbnail
from worker.settings import WorkerSettings


def _image(index: int, gain: float | None = None, outside: float = 0.0, **place: str | int) -> EditedImage:
    agreement = None
    if gain is not None:
        agreement = PromptSimilarity(before=0.1, after=0.1 + gain, gain=gain, photo_similarity=0.9)
    return EditedImage.model_validate(
        {
            "index": index,
            "seed": 1,
            "width": 8,
            "height": 8,
            "parameters": EditParameters(prompt="x"),
            "change": Change(inside=0.2, outside=outside, region=0.5),
            "agreement": agreement,
            "seconds": 1,
            "method": "m",
            **place,
        }
    )


def test_the_best_came_nearer_to_the_words_and_left_the_rest_alone() -> None:
    assert best_of([_image(0, 0.1), _image(1, 0.3), _image(2, 0.2)]) == 1
    assert best_of([_image(0, 0.1), _image(1, 0.3, outside=0.25), _image(2, 0.2)]) == 2
    assert best_of([_image(0, 0.2), _image(1, 0.2)]) == 0
    assert best_of([_image(0, -0.3), _image(1), _image(2, -0.2)]) == 2
    assert best_of([_image(0, 0.1), _image(1)]) is None
    assert best_of([]) is None


def test_after_the_greatest_seed_comes_the_smallest() -> None:
    assert [seed_after(MAX_SEED - 1, further) for further in range(3)] == [MAX_SEED - 1, MAX_SEED, 0]


def test_figures_below_a_picture() -> None:
    assert figures(_image(0, 0.041, 0.002), best=True) == "best: match +0.041, rest 0.002"
    assert figures(_image(0, -0.01, 0.5), best=False) == "match −0.010, rest 0.500"
    assert figures(_image(0), best=False) == "rest 0.000"


def _colour(colour: tuple[int, int, int], size: tuple[int, int] = (256, 192)) -> bytes:
    return thumbnail(np.full((size[1], size[0], 3), colour, np.uint8), 256)


RED, GREEN, BLUE, GREY = (220, 0, 0), (0, 200, 0), (0, 0, 220), (128, 128, 128)


def _places(png: bytes, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Left top corners of the rectangles of about this colour, from the top, from the left."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    near = np.abs(pixels - colour).max(axis=2) < 12
    corners = near & ~np.roll(near, 1, 0) & ~np.roll(near, 1, 1) & np.roll(near, -20, 0) & np.roll(near, -20, 1)
    return [(int(x), int(y)) for y, x in np.argwhere(corners)]


def _sheet(order: SheetOrder = SheetOrder.GRID, **changes: object) -> Sheet:
    colours = [[RED, GREEN], [BLUE, RED]]
    pictures = [
        SheetPicture(_image(2 * i + j, 0.1 * (2 * i + j), row=f"row {i}", column=f"column {j}"), _colour(colours[i][j]))
        for i in range(2)
        for j in range(2)
    ]
    content: dict[str, object] = {
        "title": "ein Zimmer, für zwei – nachts",
        "subtitle": "room.jpg, seed 4",
        "note": "small",
        "photos": [_colour(GREY)],
        "pictures": pictures,
        "rows": ["row 0", "row 1"],
        "columns": ["column 0", "column 1"],
        "best": 2,
        "order": order,
    }
    return Sheet(**{**content, **changes})  # type: ignore[arg-type]


def test_a_table_has_every_picture_in_its_place() -> None:
    png = draw_sheet(_sheet(), cell=256)
    (photo,), (green,), (blue,), (first, last) = (_places(png, colour) for colour in (GREY, GREEN, BLUE, RED))
    assert photo[1] == first[1] == green[1] < blue[1] == last[1]
    assert photo[0] < first[0] == blue[0] < green[0] == last[0]


def test_sorted_by_agreement_the_best_matches_come_first() -> None:
    png = draw_sheet(_sheet(SheetOrder.AGREEMENT), cell=256)
    (photo,), (green,), (blue,), (first, last) = (_places(png, colour) for colour in (GREY, GREEN, BLUE, RED))
    in_order = sorted([(y, x) for x, y in (photo, green, blue, first, last)])
    assert in_order == [(y, x) for x, y in (photo, first, blue, green, last)], "gains 0.3, 0.2, 0.1, 0"


def test_each_photo_stands_beside_what_was_made_of_it() -> None:
    pictures = [SheetPicture(_image(n, row=f"{n}.jpg", photo_index=n), _colour(RED)) for n in range(2)]
    photos = [_colour(GREEN, (100, 256)), _colour(BLUE, (256, 100))]
    sheet = _sheet(photos=photos, pictures=pictures, rows=["0.jpg", "1.jpg"], columns=[], best=None)
    png = draw_sheet(sheet, cell=128)
    (green,), (blue,), (first, second) = (_places(png, colour) for colour in (GREEN, BLUE, RED))
    assert (green[1], blue[1]) == (first[1], second[1])
    assert green[0] < first[0] and blue[0] < second[0]


def test_steps_that_an_edit_takes() -> None:
    assert expected_steps(EditParameters(prompt="x", strength=0.5, steps=20), CAPABILITIES) == 10
    assert expected_steps(EditParameters(prompt="x", strength=0.01, steps=20), CAPABILITIES) == 1
    assert expected_steps(EditParameters(prompt="x", strength=1), CAPABILITIES) == 4
    assert expected_steps(EditParameters(prompt="x", task=Task.GENERATE, strength=0.5), CAPABILITIES) == 4
    assert expected_steps(EditParameters(task=Task.DENOISE), CAPABILITIES) == 1


@pytest.fixture
def redis(redis_url: str) -> Redis:
    return Redis.from_url(redis_url, decode_responses=True)


def test_progress_is_told_in_steps_of_all_pictures(redis: Redis) -> None:
    jobs = JobStore(redis, lease_seconds=5, retention_seconds=60)
    job = jobs.create(JobKind.EDIT, name="a", parameters={}, payload=EditPayload(edit=EditSource(photos=["a"])))
    jobs.start(job.id)
    reporter = ProgressReporter(jobs, job.id, [10, 20], interval=0)

    def told() -> tuple[int, int | None, str]:
        found = jobs.get(job.id)
        assert found is not None
        return found.progress.done, found.progress.total, found.progress.message

    reporter.picture(1)
    assert told() == (10, 30, "picture 2 of 2")
    reporter.step(1, StepEvent(image=0, step=3, steps=5, preview="anBlZw=="))
    assert told() == (22, 30, "picture 2 of 2, step 3 of 5")
    assert jobs.preview(job.id) == b"jpeg"
    reporter.step(1, StepEvent(image=0, step=9, steps=5))
    assert told()[0] == 30, "never beyond the picture's share"
    reporter.picture(2)
    assert told() == (30, 30, "2 of 2 pictures")
    jobs.delete(job.id)
    assert jobs.preview(job.id) is None


def test_the_queue_tells_who_is_next(redis: Redis, redis_url: str) -> None:
    celery = create_celery(JobSettings(redis_url=redis_url))
    assert not waits(redis, ["edit"], 0)
    for kind, job_id in (
        (JobKind.EDIT_SERIES, "series 1"),
        (JobKind.EDIT_SERIES, "series 2"),
        (JobKind.EDIT, "edit 1"),
        (JobKind.EDIT, "edit 2"),
        (JobKind.EDIT_SERIES, "series 1"),
        (JobKind.VIDEO, "video"),
    ):
        enqueue(celery, kind, job_id)
    assert waiting(redis, "edit") == ["edit 1", "edit 2", "series 1", "series 2"]
    assert waiting(redis, "video") == ["video"]
    assert waits(redis, ["edit"], 0)
    redis.delete("edit")
    assert not waits(redis, ["edit"], 3) and waits(redis, ["edit"], 6) and waits(redis, ["dataset", "video"], 0)


def test_a_job_that_gives_way_is_queued_again(redis: Redis) -> None:
    jobs = JobStore(redis, lease_seconds=5, retention_seconds=60)
    job = jobs.create(JobKind.EDIT_SERIES, name="a", parameters={}, payload=EditPayload(edit=EditSource(photos=["a"])))
    assert not jobs.requeue(job.id), "it does not run"
    jobs.start(job.id)
    assert jobs.requeue(job.id)
    waiting_job = jobs.get(job.id)
    assert waiting_job is not None
    assert (waiting_job.state, waiting_job.started_at is not None) == (JobState.QUEUED, True)
    jobs.cancel(job.id)
    assert not jobs.start(job.id) and not jobs.requeue(job.id)


@pytest.mark.parametrize(("given", "queues"), [("edit", ["edit"]), (" video, dataset ,", ["video", "dataset"])])
def test_a_worker_may_take_from_some_queues_only(
    monkeypatch: pytest.MonkeyPatch, given: str, queues: list[str]
) -> None:
    monkeypatch.setenv("WORKER_QUEUES", given)
    assert WorkerSettings().worker_queues == queues


@pytest.mark.parametrize("given", ["", ",", "edits", "edit,mail"])
def test_unknown_queues_are_named_at_start(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("WORKER_QUEUES", given)
    with pytest.raises(ValidationError, match="dataset, edit, video"):
        WorkerSettings()
