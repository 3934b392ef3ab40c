"""A moment as people are shown it: its sharpest picture, where in the picture it is, and what changed in words."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from framesense.media.colour_words import colour_words
from framesense.novelty.changes import WordLevels, changed_words, fitting_words
from framesense.novelty.patches import Map, nearest_distances
from framesense.schemas.novelty import Box, WordChange
from framesense.storage.analyses import AnalysisStore
from gateway.videos.analysed import Analysed
from gateway.videos.vocabulary import Vocabulary

FRAMES_BEFORE = 8
"""Frames before a moment that it is compared with."""
PICTURES = 9
"""Frames of a moment among which the sharpest is looked for."""
LEAST_ODDNESS = 0.25
"""Distance of a patch to those before it, above what is usual in the picture, from which it is worth a box."""
LARGEST_BOX = 0.6
"""Share of the picture from which a box would say no more than that the picture changed."""


@dataclass(frozen=True)
class Details:
    """``best``: index of the sharpest frame; ``box``: None where the whole picture changed, or nothing is known.

    ``colours``: that frame's, in words; empty where it cannot be read.
    """

    best: int
    changes: list[WordChange]
    box: Box | None
    colours: str


class MomentDetails:
    """Look up the details of moments.

    Sharpest frames, boxes and colours are kept: they do not depend on sensitivity.
    """

    def __init__(self, analyses: AnalysisStore, vocabulary: Vocabulary, *, kept: int) -> None:
        self._analyses, self._vocabulary = analyses, vocabulary
        self._sharpest = lru_cache(maxsize=kept)(self._find_sharpest)
        self._box = lru_cache(maxsize=kept)(self._find_box)
        self._colours = lru_cache(maxsize=kept)(self._find_colours)

    def details(self, analysed: Analysed, *, start: int, peak: int, end: int) -> Details:
        """Describe the moment between two frames, given by index. Blocking."""
        best = self._sharpest(analysed.key, start, peak, end)
        return Details(
            best,
            self._words(analysed, start, end),
            self._box(analysed.key, start, best),
            self._colours(analysed.key, best),
        )

    def _find_sharpest(self, key: str, start: int, peak: int, end: int) -> int:
        """Return the frame with the largest variance of the Laplacian (Pech-Pacheco et al., 2000), near the peak."""
        half = PICTURES // 2
        indices = range(max(start, peak - half), min(end, peak + half) + 1)
        return max(indices, key=lambda index: (self._sharpness(key, index), -abs(index - peak)))

    def _sharpness(self, key: str, index: int) -> float:
        try:
            return sharpness(self._analyses.thumbnail(key, index))
        except OSError:  # no picture, or none that can be read: any other is better
            return -1.0

    def words(self, analysed: Analysed) -> list[list[str]]:
        """Return the words that fit each frame, the best first; none where no tagger saw the video. Blocking."""
        levels, aligned = self._levels(analysed), analysed.frames.aligned
        if levels is None or aligned is None:
            return [[] for _ in range(len(analysed.frames))]
        return fitting_words(levels, aligned)

    def _levels(self, analysed: Analysed) -> WordLevels | None:
        seen_by = next((model for model in analysed.summary.models if model.service == "tagger"), None)
        return None if seen_by is None else self._vocabulary.levels(seen_by)

    def _words(self, analysed: Analysed, start: int, end: int) -> list[WordChange]:
        levels, aligned = self._levels(analysed), analysed.frames.aligned
        if levels is None or aligned is None:
            return []
        changes = changed_words(levels, aligned[max(0, start - FRAMES_BEFORE) : start], aligned[start : end + 1])
        return [WordChange(word=change.word, change=round(change.change, 2)) for change in changes]

    def _find_colours(self, key: str, index: int) -> str:
        try:
            return colours_of(self._analyses.thumbnail(key, index))
        except OSError:
            return ""

    def _find_box(self, key: str, start: int, best: int) -> Box | None:
        first = max(0, start - FRAMES_BEFORE)
        grids = list(self._analyses.patches(key, first, best + 1))
        if len(grids) != best + 1 - first or start == first:
            return None
        before = np.concatenate(grids[: start - first], axis=1)
        return box_of(nearest_distances(grids[-1], before))


def box_of(distances: Map) -> Box | None:
    """Return the part of the picture around its oddest patch; None where there is none, or where it is nearly all.

    ``distances``: rows × columns ≥ 0. The part is the bounding box of the patches that hang together with the oddest
    one and are at least half as odd, above what is usual in the picture.
    """
    odd = distances - np.median(distances)
    if odd.max() < LEAST_ODDNESS:
        return None
    inside = _connected(odd >= odd.max() / 2, np.unravel_index(int(np.argmax(odd)), odd.shape))
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    height, width = (rows[-1] - rows[0] + 1) / odd.shape[0], (columns[-1] - columns[0] + 1) / odd.shape[1]
    if height * width > LARGEST_BOX:
        return None
    return Box(x=columns[0] / odd.shape[1], y=rows[0] / odd.shape[0], width=width, height=height)


def _connected(mask: NDArray[np.bool_], seed: tuple[np.intp, ...]) -> NDArray[np.bool_]:
    """Grow from the seed over neighbours, diagonal ones too, that are in the mask."""
    grown = np.zeros_like(mask)
    grown[seed] = True
    while True:
        padded = np.pad(grown, 1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
        larger = windows.any(axis=(2, 3)) & mask
        if (larger == grown).all():
            return grown
        grown = larger


def colours_of(jpeg: bytes) -> str:
    """Return the colours of a picture in words. Raises OSError for what is no picture."""
    with Image.open(io.BytesIO(jpeg)) as image:
        return colour_words(image)


def sharpness(jpeg: bytes) -> float:
    """Return the variance of a picture's Laplacian, ≥ 0. Raises OSError for what is no picture."""
    with Image.open(io.BytesIO(jpeg)) as image:
        grey = np.asarray(image.convert("L"), dtype=np.float32)
    if min(grey.shape) < 3:
        return 0.0
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * grey[1:-1, 1:-1]))
