"""The moments of a video: where its scores rise above what is usual, strongest first. Pure numpy, no I/O.

A *score* tells how far a frame stands out, on one scale for all signals: 0 is nothing at all, 1 is where what an
analyst would call a moment begins (:mod:`framesense.novelty.scores` makes scores of each signal). This module only
cuts a curve of scores into humps and ranks them, so that another sensitivity costs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.background import filled
from framesense.schemas.novelty import Strength

STRONG, WEAK, FAINT = 1.0, 0.6, 0.2
"""Scores from which a hump is a strong moment, a weak one, or shown at all where nothing stands out."""
FAINT_MOMENTS = 3
"""How many humps are shown where none of them stands out."""
VALLEY = 0.5
"""Two humps are two moments where the curve between them falls to this share of the lower one."""
FOOT = 0.5
"""A moment reaches as far as the curve stays above this share of its peak."""
BRIDGE = 1
"""Valleys of so few frames part nothing."""
SENSITIVITY_RANGE = 4.0
"""How many times higher the scores are at sensitivity 1 than at 0."""


@dataclass(frozen=True)
class Moment:
    """Indices of the first, the highest and the last frame; ``score``: the peak's, at the sensitivity asked for."""

    start: int
    peak: int
    end: int
    score: float

    @property
    def strength(self) -> Strength:
        return Strength.STRONG if self.score >= STRONG else Strength.WEAK


def find_moments(
    scores: NDArray[np.float64], *, sensitivity: float = 0.5, limit: int = 20, breaks: Sequence[int] = ()
) -> list[Moment]:
    """Find the humps of a curve of n ≥ 0 scores, strongest first, at most ``limit``.

    ``breaks``: indices of the frames before which there is a hole in the video, rising; no moment spans one.
    ``sensitivity``: 0 … 1; scores are multiplied by 4 ** (sensitivity − 0.5), from half to twice. Listed are the humps
    from WEAK on; where there is none, the FAINT_MOMENTS highest from FAINT on, so that a curve with humps never has an
    empty list. :func:`stands_out` says whether any of them is more than that. Raises ValueError for a sensitivity
    outside 0 … 1.
    """
    if not 0 <= sensitivity <= 1:
        raise ValueError(f"sensitivity must be from 0 to 1, not {sensitivity}")
    heights = np.asarray(scores, dtype=np.float64) * SENSITIVITY_RANGE ** (sensitivity - 0.5)
    humps = [
        replace(hump, start=first + hump.start, peak=first + hump.peak, end=first + hump.end)
        for first, last in pairwise((0, *breaks, len(heights)))
        for hump in _humps(filled(heights[first:last], BRIDGE))
    ]
    distinct = _distinct(sorted(humps, key=lambda moment: (-moment.score, moment.start)))
    listed = [moment for moment in distinct if moment.score >= WEAK] or distinct[:FAINT_MOMENTS]
    return listed[:limit]


def _distinct(moments: Sequence[Moment]) -> list[Moment]:
    """Drop moments whose peak lies within a stronger one, as they are the same. ``moments``: the strongest first."""
    kept: list[Moment] = []
    for moment in moments:
        if not any(other.start <= moment.peak <= other.end for other in kept):
            kept.append(moment)
    return kept


def stands_out(moments: Sequence[Moment]) -> bool:
    """Tell whether any moment is strong. If not, the plain answer is that nothing stands out."""
    return any(moment.strength is Strength.STRONG for moment in moments)


def _humps(heights: NDArray[np.float64]) -> list[Moment]:
    """Find every hump from FAINT on that is parted from higher ones by a valley.

    The curve is flooded from its peaks down (persistence; Edelsbrunner et al., 2002): where two basins meet, the one
    with the lower peak joins the other, unless they meet below VALLEY of its peak.
    """
    peaks = np.full(len(heights), -1)
    closed: list[int] = []

    def root(index: int) -> int:
        while peaks[index] != index:
            peaks[index] = peaks[peaks[index]]
            index = int(peaks[index])
        return index

    for index in np.argsort(-heights, kind="stable").tolist():
        if heights[index] < FAINT:
            break
        peaks[index] = index
        for beside in (index - 1, index + 1):
            if not 0 <= beside < len(heights) or peaks[beside] < 0:
                continue
            ours, theirs = root(index), root(beside)
            higher, lower = sorted((ours, theirs), key=lambda peak: (-heights[peak], peak))
            if higher != lower:
                if heights[index] <= VALLEY * heights[lower]:
                    closed.append(lower)
                peaks[lower] = higher
    closed += [index for index in range(len(heights)) if peaks[index] == index]
    return [_moment(heights, peak) for peak in closed]


def _moment(heights: NDArray[np.float64], peak: int) -> Moment:
    level = FOOT * heights[peak]
    start = end = peak
    while start > 0 and heights[start - 1] > level:
        start -= 1
    while end + 1 < len(heights) and heights[end + 1] > level:
        end += 1
    return Moment(start, peak, end, float(heights[peak]))
