"""Where in the picture something is odd, for cameras that stand still. Pure numpy, no I/O.

A frame is a grid of descriptors, one a patch. Each is compared with the nearest of the descriptors *at the same height*
that are remembered: what belongs on the street may look odd in the sky, and things of one kind are of one size at one
height. What is remembered is either the frames before (:class:`PatchMemory`) or footage known to be normal, thinned to
its most different patches (:class:`Reference`; PatchCore: Roth et al., 2022, arXiv:2106.08265).

Prefer this to whole-picture embeddings where the odd thing is small; where the camera moves everything is odd.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]
"""Rows × columns × dimensions: a frame's descriptors."""
Map = NDArray[np.float32]
"""Rows × columns: how odd each patch is."""

TOP_PATCHES = 3
"""A frame is as odd as its oddest patches, on average: one alone is noise, many would hide a small thing."""
REFERENCE_PATCHES = 256
"""Descriptors that a reference keeps for each height."""
REFERENCE_CANDIDATES = 4096
"""Descriptors of each height among which those are chosen, thinned evenly: a long reference takes no longer."""

REFERENCE_FOLDS = 4
"""Stretches that normal footage is cut into, to see how unlike one another they are."""


class Memory(Protocol):
    def distances(self, grid: Grid) -> Map:
        """Return each patch's distance to the nearest one remembered at its height."""


def nearest_distances(grid: Grid, remembered: NDArray[np.float32]) -> Map:
    """Measure the Euclidean distance of each patch to the nearest of those remembered in its row.

    ``grid``: rows × columns × d; ``remembered``: rows × m × d, m ≥ 1. Returns rows × columns, ≥ 0. Distances come from
    ‖a − b‖² = ‖a‖² + ‖b‖² − 2ab, one matrix product a row.
    """
    products = grid @ remembered.transpose(0, 2, 1)
    lengths = np.einsum("rmd,rmd->rm", remembered, remembered)
    least = np.min(lengths[:, None] - 2 * products, axis=2) + np.einsum("rcd,rcd->rc", grid, grid)
    distances: Map = np.sqrt(np.maximum(least, 0)).astype(np.float32)
    return distances


class PatchMemory:
    """The last ``frames`` frames; memory and time for a frame stay the same however long the video is."""

    def __init__(self, frames: int) -> None:
        """Make an empty memory; raises ValueError for fewer than one frame."""
        if frames < 1:
            raise ValueError(f"frames must be at least 1, not {frames}")
        self._frames, self._seen = frames, 0
        self._ring: NDArray[np.float32] | None = None

    def distances(self, grid: Grid) -> Map:
        """Measure a frame's distances, rows × columns; zeros while nothing is remembered.

        Raises ValueError for a grid of another shape.
        """
        rows, columns, _ = grid.shape
        if self._ring is None:
            return np.zeros((rows, columns), dtype=np.float32)
        if self._ring.shape[:1] + self._ring.shape[2:] != grid.shape:
            raise ValueError(f"the frames before have patches {self._ring.shape[:1] + self._ring.shape[2:]}")
        held = self._ring[:, : min(self._seen, self._frames)]
        return nearest_distances(grid, held.reshape(rows, -1, grid.shape[2]))

    def remember(self, grid: Grid) -> None:
        """Remember a frame, in the place of the oldest one when full."""
        if self._ring is None:
            rows, columns, dimensions = grid.shape
            self._ring = np.zeros((rows, self._frames, columns, dimensions), dtype=np.float32)
        self._ring[:, self._seen % self._frames] = grid
        self._seen += 1


@dataclass(frozen=True)
class Reference:
    """What is normal. ``patches``: rows × m × d, float32."""

    patches: NDArray[np.float32]

    @classmethod
    def build(cls, grids: Iterable[Grid], size: int = REFERENCE_PATCHES) -> "Reference":
        """Build a reference from frames of normal footage: at each height the ``size`` patches that cover it best.

        Raises ValueError for no frames.
        """
        frames = [np.asarray(grid, dtype=np.float32) for grid in grids]
        if not frames:
            raise ValueError("a reference needs at least one frame")
        rows, columns, dimensions = frames[0].shape
        every = -(-len(frames) * columns // REFERENCE_CANDIDATES)
        by_row = np.stack(frames[::every]).transpose(1, 0, 2, 3).reshape(rows, -1, dimensions)
        return cls(np.stack([points[greedy_coreset(points, size)] for points in by_row]))

    def distances(self, grid: Grid) -> Map:
        """Measure a frame's distances, rows × columns.

        Raises ValueError where the reference was made from grids of another shape.
        """
        rows, _, dimensions = self.patches.shape
        if (grid.shape[0], grid.shape[2]) != (rows, dimensions):
            raise ValueError(f"the reference has {rows} rows of {dimensions} numbers a patch, the frame {grid.shape}")
        return nearest_distances(grid, self.patches)


def greedy_coreset(points: NDArray[np.float32], size: int) -> NDArray[np.intp]:
    """Choose at most ``size`` of n × d points that cover them all, and return their indices.

    Each next one is the farthest from those chosen before (k-center greedy: Gonzalez, 1985; Roth et al., 2022,
    algorithm 1). The first point is the first chosen, so the answer is always the same. No point is farther from the
    chosen than twice the least possible.
    """
    size = min(size, len(points))
    chosen = np.zeros(size, dtype=np.intp)
    lengths = np.einsum("nd,nd->n", points, points)
    least = np.full(len(points), np.inf)
    for step in range(1, size):
        last = chosen[step - 1]
        least = np.minimum(least, lengths + lengths[last] - 2 * points @ points[last])
        chosen[step] = np.argmax(least)
    return chosen


def frame_score(distances: Map, top: int = TOP_PATCHES) -> float:
    """Return the mean of the ``top`` largest patch distances."""
    flat = distances.ravel()
    top = min(top, flat.size)
    return float(np.partition(flat, -top)[-top:].mean())


def distances_within(grids: Sequence[Grid], folds: int = REFERENCE_FOLDS) -> NDArray[np.float64]:
    """Measure how far the frames of normal footage are from the rest of it: what a reference takes as usual.

    The frames are cut into ``folds`` stretches, and each is scored (:func:`frame_score`) against a reference made of
    the others: its neighbours in time would be too near to tell. Returns one value a frame, none for fewer than two.
    """
    stretches = [part for part in np.array_split(np.arange(len(grids)), folds) if len(part)]
    if len(stretches) < 2:
        return np.zeros(0)
    found = np.zeros(len(grids))
    for stretch in stretches:
        rest = Reference.build([grids[index] for index in np.setdiff1d(np.arange(len(grids)), stretch)])
        found[stretch] = [frame_score(rest.distances(grids[index])) for index in stretch]
    return found


@dataclass(frozen=True)
class PackedGrids:
    """Descriptors of n frames in a quarter of the space.

    They are ``values`` (n × rows × columns × d, int8) times ``scales`` (n, float32). ``motion``: n × rows × columns ×
    2, how each place moves to the right and down, in picture heights a second; None where it was not measured.
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    motion: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.scales)

    @classmethod
    def pack(cls, grids: NDArray[np.floating], motion: NDArray[np.floating] | None = None) -> "PackedGrids":
        """Pack grids, n × rows × columns × d, in a byte a number.

        The error is at most 1/254 of each frame's largest number.
        """
        largest = np.abs(grids).reshape(len(grids), -1).max(axis=1, initial=0)
        scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
        halves = None if motion is None else motion.astype(np.float16)
        return cls(np.rint(grids / scales[:, None, None, None]).astype(np.int8), scales, halves)

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        moves: dict[str, Any] = {} if self.motion is None else {"motion": self.motion}
        np.savez(buffer, values=self.values, scales=self.scales, **moves)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "PackedGrids":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays["values"], arrays["scales"], arrays.get("motion"))

    def __getitem__(self, index: int) -> Grid:
        grid: Grid = self.values[index] * self.scales[index]
        return grid
