"""Cuts: where the picture changes at all of its places at once. Pure numpy, no I/O.

Between two frames of one shot most places show what they or their neighbours showed before, however fast the camera
moves; across a cut none does. So the *jump* from frame to frame is the median over places of the distance to the
nearest of the 3 × 3 places around it in the frame before. As in PySceneDetect's AdaptiveDetector it counts by how far
it is above the jumps around it.
"""

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.background import Grids, ReadGrids

BLOCK = 256
AROUND = 4
"""Frames before and after whose jumps are what is usual."""


def jumps(read: ReadGrids, count: int) -> NDArray[np.float64]:
    """Return the jump from the frame before to each of ``count`` frames; 0 for the first."""
    found = np.zeros(count)
    for start in range(0, count, BLOCK):
        first = max(0, start - 1)
        grids = read(np.arange(first, min(start + BLOCK, count)))
        for index in range(1, len(grids)):
            found[first + index] = jump(grids[index - 1], grids[index])
    return found


def jump(before: Grids, after: Grids) -> float:
    """Measure how far one frame's descriptors, rows × columns × d, jump to another's."""
    rows, columns, _ = after.shape
    padded = np.pad(before, ((1, 1), (1, 1), (0, 0)), mode="edge")
    least = np.full((rows, columns), np.inf, dtype=np.float32)
    for down in range(3):
        for right in range(3):
            difference = after - padded[down : down + rows, right : right + columns]
            least = np.minimum(least, np.einsum("rcd,rcd->rc", difference, difference))
    return float(np.sqrt(np.median(least)))


def above_neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure how far each of n values is above the median of those around it, itself left out; ≥ 0."""
    rises = np.zeros(len(values))
    for index in range(1, len(values)):
        around = np.concatenate([values[max(1, index - AROUND) : index], values[index + 1 : index + AROUND + 1]])
        rises[index] = max(0.0, values[index] - float(np.median(around))) if len(around) else 0.0
    return rises
