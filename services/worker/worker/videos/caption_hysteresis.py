"""One caption for as long as the picture shows the same things.

A small captioner writes something else when sensor noise or compression move its numbers a little: of an empty road,
two neighbouring frames in five get different captions. So a caption stays until the picture shows something that it
did not show when the caption was written, or no longer shows something that it did. A caption says what there is, not
where: a patch is compared with the nearest of the other picture's patches anywhere, and a car that drives on is still
a car.

A frame is compared with the one for which the present caption was first written, so slow changes add up, and after a
cut the caption is the new picture's. docs/novelty.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from framesense.clients.captioner import CaptionBatch
from framesense.novelty.patches import Grid, PackedGrids, frame_score, nearest_distances
from framesense.novelty.scores import STEADY_FAMILIES
from framesense.storage.analyses import AnalysisStore, Frames

SAME_THINGS = 1.3
"""Pictures less unlike (:func:`unlikeness`) show the same things to the families that this was measured with."""

Floats = NDArray[np.float32]


def unlikeness(first: Grid, second: Grid) -> float:
    """Measure what one picture shows and the other does not, ≥ 0; the order does not matter.

    Of the distances of each patch to the nearest of the other picture's, anywhere in it, the mean of the largest, in
    the direction where that is larger.
    """
    here, there = (grid.reshape(1, -1, grid.shape[-1]).astype(np.float32) for grid in (first, second))
    return max(frame_score(nearest_distances(here, there)), frame_score(nearest_distances(there, here)))


@dataclass(frozen=True)
class Written:
    """Hold a caption, its embeddings, and the picture that it was first written for."""

    text: str
    words: Floats
    sentence: Floats
    confidence: float | None
    grid: Grid


class CaptionHysteresis:
    """Let captions stay while nothing new is seen; takes batches of consecutive pictures, and remembers one caption."""

    def __init__(self, present: Written | None = None) -> None:
        self._present = present

    @classmethod
    def resumed(cls, store: AnalysisStore, key: str) -> Self:
        """Go on after the frames that are stored, as if there had been no break."""
        frames = store.checkpoint(key)
        if frames is None:
            return cls()
        first = _start_of_last_run(frames.captions)
        grid = next(store.patches(key, first, first + 1), None)
        return cls() if grid is None else cls(_of_frames(frames, first, grid))

    def apply(self, batch: CaptionBatch) -> CaptionBatch:
        """Return the batch with the captions that stay in place of new ones.

        It is unchanged where the captioner gives no patches, or is of another family: their patches have other
        distances, and they may read what is written.
        """
        if batch.patches is None or batch.model.family not in STEADY_FAMILIES:
            return batch
        grids = PackedGrids.pack(batch.patches)  # as they are stored: whoever resumes compares the same numbers
        kept: list[Written] = []
        for place in range(len(batch.texts)):
            new = _of_batch(batch, place, grids[place])
            if self._present is None or not self._stays(self._present, new):
                self._present = new
            kept.append(self._present)
        chances = [one.confidence for one in kept]
        return replace(
            batch,
            texts=[one.text for one in kept],
            words=np.stack([one.words for one in kept]),
            sentences=np.stack([one.sentence for one in kept]),
            confidences=None if None in chances else np.array(chances, np.float32),
        )

    @staticmethod
    def _stays(present: Written, new: Written) -> bool:
        if new.text == present.text:
            return True
        return new.grid.shape == present.grid.shape and unlikeness(new.grid, present.grid) < SAME_THINGS


def _start_of_last_run(captions: Sequence[str]) -> int:
    first = len(captions) - 1
    while first > 0 and captions[first - 1] == captions[-1]:
        first -= 1
    return first


def _of_batch(batch: CaptionBatch, place: int, grid: Grid) -> Written:
    chance = None if batch.confidences is None else float(batch.confidences[place])
    return Written(batch.texts[place], batch.words[place], batch.sentences[place], chance, grid)


def _of_frames(frames: Frames, place: int, grid: Grid) -> Written:
    chance = None if frames.confidences is None else float(frames.confidences[place])
    return Written(frames.captions[place], frames.words[place], frames.sentences[place], chance, grid)
