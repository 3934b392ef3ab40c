"""Analyses: named by what they depend on, read as far as they are whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from framesense.novelty.patches import PackedGrids
from framesense.schemas.models import ModelInfo
from framesense.schemas.novelty import VideoInfo
from framesense.storage.analyses import AnalysisStore, Frames, Summary, VideoModels, analysis_key
from framesense.storage.blobs import Storage

MODEL = ModelInfo(service="captioner", name="m", family="f", revision="1", device="cpu", dtype="f", parameters=0)
SUMMARY = Summary(
    video=VideoInfo(name="a", sha256="0", bytes=1, duration=1, width=1, height=1, fps=1, codec="h264"), models=[MODEL]
)


def frames(first: int, count: int) -> Frames:
    numbers = np.arange(first, first + count)
    words = np.stack([numbers, -numbers], axis=1).astype(np.float32)
    return Frames(numbers * 0.5, [f"caption ü {n}" for n in numbers], words, words[:, :1])


@pytest.fixture
def storage(tmp_path: object) -> Storage:
    return Storage(str(tmp_path))


@pytest.fixture
def analyses(storage: Storage) -> AnalysisStore:
    return AnalysisStore(storage)


def append(analyses: AnalysisStore, first: int, count: int) -> None:
    analyses.append("key", first, frames(first, count), [f"jpeg {n}".encode() for n in range(first, first + count)])


def test_frames_survive_being_written() -> None:
    read = Frames.from_bytes(frames(3, 4).to_bytes())
    assert read.captions == [f"caption ü {n}" for n in range(3, 7)]
    np.testing.assert_array_equal(read.times, [1.5, 2, 2.5, 3])
    np.testing.assert_array_equal(read.words, frames(3, 4).words)
    assert read.words.dtype == read.sentences.dtype == np.float32
    assert read.visual is None and read.aligned is None
    seen = replace(frames(3, 4), visual=np.full((4, 3), 0.1, np.float32), aligned=np.eye(4, dtype=np.float32))
    read = Frames.from_bytes(seen.to_bytes())
    assert read.visual == pytest.approx(np.full((4, 3), 0.1), rel=1e-3), "half precision is enough"
    assert read.visual is not None and read.visual.dtype == np.float32
    np.testing.assert_array_equal(read.aligned, seen.aligned)
    assert Frames.concatenate([seen, frames(7, 1)]).visual is None, "some frames lack it"


@pytest.mark.parametrize(
    ("captioner", "tagger", "shared"),
    [("e@1", "e@1", "e@1"), ("e@1", "e@2", None), ("e@1", None, None), (None, None, None)],
)
def test_an_encoder_is_shared_where_both_name_it(captioner: str | None, tagger: str | None, shared: str | None) -> None:
    first, second = (MODEL.model_copy(update={"encoder": encoder}) for encoder in (captioner, tagger))
    assert VideoModels(first, second).shared_encoder == shared
    assert VideoModels(first, None).shared_encoder is None


def test_frames_without_confidences_are_those_of_earlier_releases() -> None:
    old = frames(0, 2)
    assert Frames.from_bytes(old.to_bytes()).chances() == [None, None]
    new = replace(frames(2, 3), confidences=np.array([0, 0.7321, 1], np.float32))
    assert Frames.from_bytes(new.to_bytes()).chances() == pytest.approx([0, 0.732, 1], abs=0.001)
    assert Frames.concatenate([old, new]).chances() == [None] * 5, "not known of all"
    assert len(Frames.concatenate([new, new]).chances()) == 6


def test_the_key_depends_on_everything_that_captions_depend_on() -> None:
    asked = {"sha256": "a", "every_n_second": 1.0, "beams": 4, "max_tokens": 24, "models": VideoModels(MODEL)}
    changes = {
        "sha256": "b",
        "every_n_second": 2.0,
        "beams": 1,
        "max_tokens": 8,
        "models": VideoModels(MODEL.model_copy(update={"revision": "2"})),
    }
    keys = [analysis_key(**{**asked, name: value}) for name, value in changes.items()]  # type: ignore[arg-type]
    keys.append(analysis_key(**asked))  # type: ignore[arg-type]
    keys.append(analysis_key(**{**asked, "models": VideoModels(MODEL, MODEL)}))  # type: ignore[arg-type]
    other = VideoModels(MODEL, MODEL.model_copy(update={"revision": "2"}))
    keys.append(analysis_key(**{**asked, "models": other}))  # type: ignore[arg-type]
    assert len(set(keys)) == 8
    same = {
        **asked,
        "every_n_second": 1,
        "models": VideoModels(MODEL.model_copy(update={"device": "cuda", "dtype": "g"})),
    }
    assert analysis_key(**same) == keys[-3]  # type: ignore[arg-type]


def test_an_analysis_is_whole_once_it_is_finished(analyses: AnalysisStore) -> None:
    assert analyses.load("key") is None
    append(analyses, 0, 3)
    append(analyses, 3, 2)
    assert analyses.load("key") is None
    checkpoint = analyses.checkpoint("key")
    assert checkpoint is not None and len(checkpoint) == 5
    analyses.finish("key", SUMMARY)
    found = analyses.load("key")
    assert found is not None
    assert found[0] == SUMMARY
    np.testing.assert_array_equal(found[1].times, [0, 0.5, 1, 1.5, 2])
    assert analyses.thumbnail("key", 4) == b"jpeg 4"


def test_a_checkpoint_ends_at_the_first_gap(analyses: AnalysisStore) -> None:
    assert analyses.checkpoint("key") is None
    append(analyses, 3, 2)
    assert analyses.checkpoint("key") is None
    append(analyses, 0, 2)
    checkpoint = analyses.checkpoint("key")
    assert checkpoint is not None and len(checkpoint) == 2
    append(analyses, 2, 1)
    checkpoint = analyses.checkpoint("key")
    assert checkpoint is not None and len(checkpoint) == 5


def test_many_chunks_keep_their_order(analyses: AnalysisStore) -> None:
    for first in range(0, 120, 2):
        append(analyses, first, 2)
    checkpoint = analyses.checkpoint("key")
    assert checkpoint is not None
    np.testing.assert_array_equal(checkpoint.times, np.arange(120) * 0.5)


def test_writing_a_chunk_twice_changes_nothing(analyses: AnalysisStore) -> None:
    append(analyses, 0, 2)
    append(analyses, 0, 2)
    checkpoint = analyses.checkpoint("key")
    assert checkpoint is not None and len(checkpoint) == 2


def test_a_deleted_analysis_leaves_nothing(analyses: AnalysisStore, storage: Storage) -> None:
    append(analyses, 0, 2)
    analyses.finish("key", SUMMARY)
    analyses.delete("key")
    assert analyses.load("key") is None
    assert storage.list("analyses") == []
    with pytest.raises(FileNotFoundError):
        analyses.thumbnail("key", 0)


def test_patches_are_read_a_chunk_at_a_time(analyses: AnalysisStore) -> None:
    grids = np.random.default_rng(0).normal(size=(7, 2, 3, 4)).astype(np.float32)
    for first, stop in ((0, 3), (3, 5), (5, 7)):
        packed = PackedGrids.pack(grids[first:stop])
        analyses.append("key", first, frames(first, stop - first), [b"jpeg"] * (stop - first), packed)
    for start, stop in ((0, None), (0, 1), (2, 6), (4, 5), (5, 99), (7, None)):
        read = list(analyses.patches("key", start, stop))
        assert len(read) == len(grids[start:stop])
        assert all(found == pytest.approx(grid, abs=0.02) for found, grid in zip(read, grids[start:stop], strict=True))
    assert list(analyses.patches("another")) == []


def test_motion_is_read_beside_its_patches_and_is_none_where_none_was_measured(analyses: AnalysisStore) -> None:
    rng = np.random.default_rng(0)
    grids, motion = rng.normal(size=(4, 2, 3, 5)).astype(np.float32), rng.normal(0, 0.1, (2, 2, 3, 2))
    analyses.append("key", 0, frames(0, 2), [b"jpeg"] * 2, PackedGrids.pack(grids[:2]))
    analyses.append("key", 2, frames(2, 2), [b"jpeg"] * 2, PackedGrids.pack(grids[2:], motion))
    read = list(analyses.patches_and_motion("key"))
    assert all(found == pytest.approx(grid, abs=0.02) for (found, _), grid in zip(read, grids, strict=True))
    assert [moved is None for _, moved in read] == [True, True, False, False]
    assert np.stack([moved for _, moved in read if moved is not None]) == pytest.approx(motion, abs=1e-3)
    ((_, last),) = analyses.patches_and_motion("key", 3)
    assert last == pytest.approx(motion[1], abs=1e-3)


def test_a_curve_is_stored_beside_its_analysis_and_goes_with_it(tmp_path: Path) -> None:
    store = AnalysisStore(Storage(str(tmp_path)))
    assert store.curve("a" * 32, "auto") is None
    store.save_curve("a" * 32, "auto", np.array([0.0, 1.5]))
    stored = store.curve("a" * 32, "auto")
    assert stored is not None
    assert stored.tolist() == [0.0, 1.5]
    store.delete("a" * 32)
    assert store.curve("a" * 32, "auto") is None
