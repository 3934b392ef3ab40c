"""How unlike its background each place of the picture is, for cameras that stand still. Pure numpy, no I/O.

The background of a place is whatever is seen there now and then throughout the video, not what is seen there most: a
swaying branch, a passing belt and a blinking cursor come back, a car does not. Two distances tell what is not
background, both to descriptors *of the same place*:

- to the ``RARE`` nearest share of other times, one's own time left out: what comes and goes;
- to the nearest of all earlier times: what comes and stays, for as long as it is new.

A place is as odd as the larger of them, less what is usual at that place. Prefer
:mod:`framesense.novelty.patches` where there is footage known to be normal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grids = NDArray[np.float32]
"""Frames × rows × columns × d."""
ReadGrids = Callable[[NDArray[np.intp]], Grids]
"""The descriptors of the frames of these indices, which rise."""

SAMPLES = 192
"""Frames of the surroundings that a frame is compared with, taken evenly."""
BLOCK, AROUND = 512, 256
"""Frames scored at once, and how many before and after them belong to their surroundings: daylight changes."""
RARE = 0.05
"""What is seen at a place in a larger share of the frames is background."""
OWN = 8
"""Frames around a frame that say nothing on how rare it is; a sixth of the surroundings where those are few."""
LINGER = 4
"""How many times longer than a whole picture a place stays new: what changes slowly has changed by then."""
KNOWN, KNOWN_SHARE = 24, 0.25
"""So many frames, and this share of the surroundings, have to be seen before what is new is odd for that alone."""
EARLY_SHARE = 0.5
"""Before that, what is new counts by this share: often it is but an encoder or a light that settles."""
TOP_PLACES = 3
"""A frame is as odd as its oddest places, on average."""


@dataclass(frozen=True)
class Background:
    """What stands out from the background, and how restless that is.

    ``oddness``: n values, the mean distance of a frame's three oddest places to their background, less what is usual
    there; ``restlessness``: the distance that is usual at a quiet place among those with structure, small where the
    camera stands still.
    """

    oddness: NDArray[np.float64]
    restlessness: NDArray[np.float64]


def compare_with_background(read: ReadGrids, frames: NDArray[np.intp], *, window: int) -> Background:
    """Compare the frames of one scene, given by index, with what the scene otherwise looks like.

    ``window``: for how many frames something stays new.
    """
    oddness, restlessness = np.zeros(len(frames)), np.zeros(len(frames))
    for start in range(0, len(frames), BLOCK):
        stop = min(start + BLOCK, len(frames))
        around = frames[max(0, start - AROUND) : stop + AROUND]
        chosen = around[np.unique(np.linspace(0, len(around) - 1, min(SAMPLES, len(around))).round().astype(int))]
        block = frames[start:stop]
        oddness[start:stop], restlessness[start:stop] = _compare(read(block), block, read(chosen), chosen, window)
    return Background(oddness, restlessness)


def _compare(
    grids: Grids, frames: NDArray[np.intp], surroundings: Grids, chosen: NDArray[np.intp], window: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    apart = frames[:, None] - chosen[None]
    late = frames >= chosen[0] + max(KNOWN, KNOWN_SHARE * (chosen[-1] - chosen[0]))
    rank = min(max(2, round(RARE * len(chosen))), max(1, len(chosen) - 1))
    own = min(OWN, max(1, len(chosen) // 6))
    odd = np.zeros(grids.shape[:3], dtype=np.float32)
    raw = np.zeros(grids.shape[:3], dtype=np.float32)
    for place in np.ndindex(grids.shape[1:3]):
        distances = _distances(grids[:, *place], surroundings[:, *place])
        rare = np.partition(np.where(np.abs(apart) <= own, np.inf, distances), rank, axis=1)[:, rank]
        rare = np.where(np.isfinite(rare), rare, 0)
        new = _newness(distances, apart, late, LINGER * window)
        raw[:, *place] = rare
        odd[:, *place] = np.maximum(rare - np.median(rare), new)
    flat = filled(odd.reshape(len(odd), -1), max(0, own - 2))
    top = min(TOP_PLACES, flat.shape[1])
    told = raw.reshape(len(raw), -1)[:, _structured(surroundings)]
    return np.partition(flat, -top, axis=1)[:, -top:].mean(axis=1), np.quantile(told, 0.25, axis=1)


def _structured(grids: Grids) -> NDArray[np.intp]:
    """Return the half of the places that usually differ most from those beside them.

    A bare wall looks the same however the camera moves; only what is on it tells.
    """
    down, right = np.linalg.norm(np.diff(grids, axis=1), axis=3), np.linalg.norm(np.diff(grids, axis=2), axis=3)
    contrast = np.zeros(grids.shape[:3])
    for part, beside in ((contrast[:, 1:], down), (contrast[:, :-1], down)):
        part += beside
    for part, beside in ((contrast[:, :, 1:], right), (contrast[:, :, :-1], right)):
        part += beside
    usual = np.median(contrast, axis=0).ravel()
    return np.argsort(-usual, kind="stable")[: max(1, len(usual) // 2)]


def filled(curves: NDArray[Any], longest: int, *, beyond: float = -np.inf) -> NDArray[Any]:
    """Fill the valleys of curves (n values, n × …) of up to ``longest`` frames to their lower side (grey closing).

    ``beyond``: the value before the first frame and after the last; ∞ makes valleys of what is low at the ends.
    """
    count = len(curves)
    if count <= longest:
        return curves
    ends = np.full((longest, *curves.shape[1:]), beyond, dtype=curves.dtype)
    padded = np.concatenate([ends, curves, ends])
    highest = np.max([padded[shift : shift + count + longest] for shift in range(longest + 1)], axis=0)
    lowest: NDArray[Any] = np.min([highest[shift : shift + count] for shift in range(longest + 1)], axis=0)
    return lowest


def _newness(
    distances: NDArray[np.float32], apart: NDArray[np.intp], late: NDArray[np.bool_], gap: int
) -> NDArray[np.float32]:
    """Return each frame's distance to the nearest of all frames ``gap`` or more before it, less what is usual.

    Early on, when little was seen, what is new has to be there in place of something that never comes back.
    """
    before = np.where(apart >= gap, distances, np.inf).min(axis=1)
    after = np.where(apart <= -gap, distances, np.inf).min(axis=1)
    replaced = np.concatenate([np.full(min(gap, len(after)), np.inf), after[: max(0, len(after) - gap)]])
    new = np.where(late, before, np.minimum(before, replaced))
    new = np.where(np.isfinite(new), new, 0)
    # What is usual is subtracted first: a slow change, which is as new at all times, is no more new from then on.
    risen: NDArray[np.float32] = (np.where(late, 1, EARLY_SHARE) * (new - np.median(new))).astype(np.float32)
    return risen


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the n × m Euclidean distances between the rows of an n × d and an m × d array."""
    squares = np.einsum("nd,nd->n", a, a)[:, None] + np.einsum("md,md->m", b, b)[None] - 2 * a @ b.T
    distances: NDArray[np.float32] = np.sqrt(np.maximum(squares, 0))
    return distances
