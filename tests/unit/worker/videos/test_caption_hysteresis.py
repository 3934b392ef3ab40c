"""A caption stays while the picture shows the same things, and no longer."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from framesense.clients.captioner import CaptionBatch
from framesense.novelty.patches import PackedGrids
from framesense.schemas.models import ModelInfo
from framesense.storage.analyses import AnalysisStore, Frames
from framesense.storage.blobs import Storage
from worker.videos.caption_hysteresis import SAME_THINGS, CaptionHysteresis, unlikeness

SIDE, DIMENSIONS = 6, 16
MODEL = ModelInfo(
    service="captioner",
    name="embedded",
    family="show-attend-tell",
    revision="1",
    device="cpu",
    dtype="float32",
    parameters=1,
)
Grids = NDArray[np.float32]


def thing(kind: int) -> Grids:
    """The descriptor of a kind of thing; two kinds are 2 apart."""
    descriptor = np.zeros(DIMENSIONS, np.float32)
    descriptor[kind] = np.sqrt(2)
    return descriptor


def scene(*, car_at: int | None = None, kind: int = 0, noise: float = 0.0, seed: int = 0) -> Grids:
    """An even picture, perhaps with a car of two by two patches in a column."""
    grid = np.tile(thing(kind), (SIDE, SIDE, 1))
    if car_at is not None:
        grid[2:4, car_at : car_at + 2] = thing(5)
    return (grid + noise * np.random.default_rng(seed).standard_normal(grid.shape)).astype(np.float32)


def captioned(grids: Sequence[Grids], texts: Sequence[str] | None = None, first: int = 0) -> CaptionBatch:
    """Caption each picture differently, unless told how; embeddings and confidences are those of the caption."""
    numbers = np.arange(first, first + len(grids), dtype=np.float32)
    return CaptionBatch(
        texts=list(texts or [f"caption {number:.0f}" for number in numbers]),
        words=np.repeat(numbers[:, None], 3, axis=1),
        sentences=np.repeat(numbers[:, None], 2, axis=1),
        model=MODEL,
        patches=np.stack(grids),
        confidences=numbers / np.float32(100),
    )


def told(grids: Sequence[Grids]) -> list[int]:
    """Return which picture's caption each picture gets."""
    batch = CaptionHysteresis().apply(captioned(grids))
    numbers = [int(text.removeprefix("caption ")) for text in batch.texts]
    assert batch.words[:, 0].tolist() == batch.sentences[:, 1].tolist() == numbers, "embeddings are the caption's own"
    assert batch.confidences == pytest.approx(np.array(numbers) / 100)
    return numbers


def test_noise_changes_no_caption() -> None:
    assert told([scene(noise=0.15, seed=seed) for seed in range(20)]) == [0] * 20


def test_what_comes_and_what_goes_is_told() -> None:
    assert told([scene(), scene(), scene(car_at=1), scene(), scene()]) == [0, 0, 2, 3, 3]


def test_a_car_that_drives_on_is_still_a_car() -> None:
    assert told([scene(), *(scene(car_at=column) for column in range(SIDE - 1))]) == [0] + [1] * (SIDE - 1)


def test_after_a_cut_the_caption_is_the_new_pictures() -> None:
    assert told([scene(), scene(), scene(kind=1), scene(kind=1), scene()]) == [0, 0, 2, 2, 4]


def test_slow_changes_add_up() -> None:
    steps = [(1 - share) * scene() + share * scene(kind=1) for share in np.linspace(0, 1, 22)]
    assert all(unlikeness(one, two) < 0.2 for one, two in itertools.pairwise(steps))
    changed = next(step for step, grid in enumerate(steps) if unlikeness(grid, steps[0]) >= SAME_THINGS)
    assert told(steps) == [0] * changed + [changed] * (22 - changed)


def test_a_thing_that_both_show_elsewhere_is_no_difference() -> None:
    here, there = scene(car_at=0), scene(car_at=4)
    assert unlikeness(here, there) == 0
    assert unlikeness(here, scene()) == unlikeness(scene(), here) == pytest.approx(2, abs=1e-3)


def test_the_caption_is_carried_into_the_next_batch() -> None:
    hysteresis = CaptionHysteresis()
    hysteresis.apply(captioned([scene(), scene(car_at=2)]))
    after = hysteresis.apply(captioned([scene(car_at=3), scene()], first=2))
    assert after.texts == ["caption 1", "caption 3"]


@pytest.mark.parametrize("done", range(1, 8))
def test_whoever_resumes_goes_on_as_if_there_had_been_no_break(tmp_path: Path, done: int) -> None:
    cars = (None, None, 1, 3, None, None, 2, 2)
    grids = [scene(car_at=car, noise=0.1, seed=seed) for seed, car in enumerate(cars)]
    texts = ["road", "street", "car", "bus", "road", "road", "car", "van"]
    whole = CaptionHysteresis().apply(captioned(grids, texts))
    assert whole.texts == ["road", "road", "car", "car", "road", "road", "car", "car"]

    store = AnalysisStore(Storage(str(tmp_path)))
    begun = CaptionHysteresis().apply(captioned(grids[:done], texts[:done]))
    frames = Frames(np.arange(done) / 2, begun.texts, begun.words, begun.sentences, confidences=begun.confidences)
    store.append("key", 0, frames, [b""] * done, PackedGrids.pack(np.stack(grids[:done])))
    rest = CaptionHysteresis.resumed(store, "key").apply(captioned(grids[done:], texts[done:], first=done))
    assert begun.texts + rest.texts == whole.texts
    assert np.concatenate([begun.words, rest.words]) == pytest.approx(whole.words)


def test_without_frames_there_is_nothing_to_resume(tmp_path: Path) -> None:
    store = AnalysisStore(Storage(str(tmp_path)))
    assert CaptionHysteresis.resumed(store, "key").apply(captioned([scene()])).texts == ["caption 0"]


def test_captions_of_other_families_stay_as_they_are() -> None:
    batch = captioned([scene(), scene()])
    for other in (replace(batch, model=MODEL.model_copy(update={"family": "blip"})), replace(batch, patches=None)):
        assert CaptionHysteresis().apply(other) is other
