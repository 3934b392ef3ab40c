"""The patch signal against brute force."""

import numpy as np
import pytest

from framesense.novelty.patches import (
    REFERENCE_CANDIDATES,
    PackedGrids,
    PatchMemory,
    Reference,
    frame_score,
    greedy_coreset,
    nearest_distances,
)

ROWS, COLUMNS, DIMENSIONS = 3, 4, 5


def grids(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, ROWS, COLUMNS, DIMENSIONS)).astype(np.float32)


def brute_force(grid: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Patch by patch: the nearest at the same height in any of the frames."""
    out = np.zeros(grid.shape[:2])
    for row in range(grid.shape[0]):
        for column in range(grid.shape[1]):
            others = before[:, row].reshape(-1, grid.shape[2])
            out[row, column] = np.linalg.norm(others - grid[row, column], axis=1).min()
    return out


def test_each_patch_is_compared_with_the_frames_that_are_remembered() -> None:
    frames, memory = grids(7), PatchMemory(3)
    for index, grid in enumerate(frames):
        found = memory.distances(grid)
        before = frames[max(0, index - 3) : index]
        expected = brute_force(grid, before) if index else np.zeros((ROWS, COLUMNS))
        assert found == pytest.approx(expected, abs=1e-5)
        memory.remember(grid)


def test_what_moved_along_its_row_is_known_and_what_changed_its_height_is_not() -> None:
    empty = np.zeros((ROWS, COLUMNS, DIMENSIONS), dtype=np.float32)
    memory = PatchMemory(2)
    seen, same_row, other_row = empty.copy(), empty.copy(), empty.copy()
    seen[1, 0] = same_row[1, 3] = other_row[2, 0] = 1
    memory.remember(seen)
    assert memory.distances(same_row).max() == 0
    assert np.argwhere(memory.distances(other_row)).tolist() == [[2, 0]]


def test_a_reference_that_keeps_everything_is_brute_force() -> None:
    frames, grid = grids(6), grids(1, seed=1)[0]
    reference = Reference.build(frames, size=6 * COLUMNS)
    assert reference.distances(grid) == pytest.approx(brute_force(grid, frames), abs=1e-5)


def test_a_long_reference_is_thinned_and_still_covers_its_own_frames() -> None:
    few = grids(5)
    many = np.repeat(few, REFERENCE_CANDIDATES // 4, axis=0)
    reference = Reference.build(many, size=20)
    assert reference.patches.shape == (ROWS, 20, DIMENSIONS)
    assert max(reference.distances(grid).max() for grid in few) == pytest.approx(0, abs=1e-2)


def test_the_coreset_takes_the_farthest_next() -> None:
    line = np.array([[0.0], [1.0], [10.0], [4.0], [10.1]], dtype=np.float32)
    assert greedy_coreset(line, 3).tolist() == [0, 4, 3]
    assert sorted(greedy_coreset(line, 9).tolist()) == [0, 1, 2, 3, 4]


def test_a_frame_is_as_odd_as_its_oddest_patches() -> None:
    distances = np.array([[1, 9], [2, 6]], dtype=np.float32)
    assert frame_score(distances, top=2) == 7.5
    assert frame_score(distances, top=50) == 4.5


def test_packing_keeps_descriptors_to_a_254th() -> None:
    frames = np.concatenate([grids(3) * np.array([1, 100, 1e-3], dtype=np.float32)[:, None, None, None], 0 * grids(1)])
    packed = PackedGrids.pack(frames)
    assert packed.values.dtype == np.int8
    for index, frame in enumerate(frames):
        assert np.abs(packed[index] - frame).max() <= np.abs(frame).max() / 253


def test_other_shapes_and_no_frames_are_told() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        PatchMemory(0)
    with pytest.raises(ValueError, match="at least one frame"):
        Reference.build([])
    memory = PatchMemory(2)
    memory.remember(grids(1)[0])
    with pytest.raises(ValueError, match="frames before"):
        memory.distances(np.zeros((ROWS, COLUMNS + 1, DIMENSIONS), dtype=np.float32))
    with pytest.raises(ValueError, match="reference has 3 rows"):
        Reference.build(grids(2)).distances(np.zeros((2, COLUMNS, DIMENSIONS), dtype=np.float32))


def test_nearest_never_goes_below_zero() -> None:
    grid = np.full((1, 2, 64), 0.1, dtype=np.float32)
    assert nearest_distances(grid, grid).min() >= 0
