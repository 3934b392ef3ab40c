"""What is normal: looks and motion, each judged by how much it varies in the footage itself."""

import io

import numpy as np
import pytest

from framesense.novelty.normal_footage import LEAST_FRAMES, NormalFootage
from framesense.novelty.patches import Reference, frame_score

ROWS, COLUMNS, FRAMES = 5, 6, 40
WALKING = 0.02


def looks(count: int = FRAMES, seed: int = 0) -> list[np.ndarray]:
    """The same places, a little noise."""
    rng = np.random.default_rng(seed)
    scene = np.random.default_rng(99).normal(size=(ROWS, COLUMNS, 8))
    return [(scene + rng.normal(0, 0.05, scene.shape)).astype(np.float32) for _ in range(count)]


def walking(count: int = FRAMES, seed: int = 0, spread: float = 0.002) -> list[np.ndarray]:
    """Everything moves to the right at WALKING heights a second, more or less."""
    rng = np.random.default_rng(seed)
    return [rng.normal([WALKING, 0], spread, (ROWS, COLUMNS, 2)).astype(np.float32) for _ in range(count)]


def test_what_looks_the_same_and_moves_as_nothing_did_is_odd_where_it_is() -> None:
    footage = NormalFootage.build(looks(), walking())
    seen, moves = looks(1, seed=5)[0], walking(1, seed=5)[0]
    usual = footage.distances(seen, moves)
    moves[2, 3] = [4 * WALKING, 0]
    fast = footage.distances(seen, moves)
    assert fast.argmax() == 2 * COLUMNS + 3
    assert fast.max() > 3 * usual.max()
    assert np.delete(fast.ravel(), fast.argmax()) == pytest.approx(np.delete(usual.ravel(), fast.argmax()))
    assert frame_score(fast) > footage.own.max()


def test_motion_adds_to_looks_and_takes_nothing_away() -> None:
    footage, bare = NormalFootage.build(looks(), walking()), Reference.build(looks())
    seen = looks(1, seed=5)[0]
    seen[4, 1] += 2
    assert footage.distances(seen, walking(1, seed=6)[0])[4, 1] == pytest.approx(bare.distances(seen)[4, 1])
    assert footage.distances(seen) == pytest.approx(bare.distances(seen)), "a video whose motion was not measured"


def test_motion_that_cannot_be_foretold_tells_nothing() -> None:
    assert NormalFootage.build(looks(), walking(spread=0.002)).motion is not None
    rng = np.random.default_rng(0)
    leaps = [rng.normal(0, rng.uniform(0, 0.6), (ROWS, COLUMNS, 2)).astype(np.float32) for _ in range(FRAMES)]
    assert NormalFootage.build(looks(), leaps).motion is None


def test_cuts_between_joined_pieces_do_not_hide_what_is_fast() -> None:
    moves = walking()
    moves[20] = np.full_like(moves[20], 0.9)
    footage = NormalFootage.build(looks(), moves)
    seen, fast = looks(1, seed=5)[0], walking(1, seed=5)[0]
    fast[2, :3] = [4 * WALKING, 0]
    assert frame_score(footage.distances(seen, fast)) > footage.own.max()


@pytest.mark.parametrize("missing", [slice(None), slice(3, 4)])
def test_frames_without_motion_are_compared_by_looks_alone(missing: slice) -> None:
    moves: list[np.ndarray | None] = list(walking())
    moves[missing] = [None] * len(moves[missing])
    assert NormalFootage.build(looks(), moves).motion is None


def test_few_frames_do_not_tell_how_motion_varies() -> None:
    few = LEAST_FRAMES - 1
    assert NormalFootage.build(looks(few), walking(few)).motion is None
    with pytest.raises(ValueError, match="at least one frame"):
        NormalFootage.build([], [])


def test_it_is_read_back_as_it_was_written() -> None:
    footage = NormalFootage.build(looks(), walking())
    again = NormalFootage.from_bytes(footage.to_bytes())
    seen, fast = looks(1, seed=5)[0], walking(1, seed=5)[0] * 3
    assert again.distances(seen, fast) == pytest.approx(footage.distances(seen, fast))
    assert again.own == pytest.approx(footage.own)


def test_what_the_release_before_wrote_is_read() -> None:
    buffer, reference = io.BytesIO(), Reference.build(looks())
    np.save(buffer, reference.patches)
    footage = NormalFootage.from_bytes(buffer.getvalue())
    seen = looks(1, seed=5)[0]
    assert footage.distances(seen, walking(1)[0]) == pytest.approx(reference.distances(seen))
