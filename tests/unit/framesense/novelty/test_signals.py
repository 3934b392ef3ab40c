"""What ``auto`` compares where a captioner gives no pictures: captions, by how likely they are right."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from framesense.novelty.signals import auto_embeddings, signal_novelty
from framesense.schemas.novelty import Metric, Signal

COUNT, ODD = 20, 12


@dataclass(frozen=True)
class Captions:
    """The same caption for all frames but ODD."""

    confidences: NDArray[np.float32] | None = None
    visual: NDArray[np.float32] | None = None

    @property
    def words(self) -> NDArray[np.float32]:
        return np.eye(3, dtype=np.float32)[[int(index == ODD) for index in range(COUNT)]]

    @property
    def sentences(self) -> NDArray[np.float32]:
        return self.words


def chances(odd: float, rest: float = 0.9) -> NDArray[np.float32]:
    return np.where(np.arange(COUNT) == ODD, odd, rest).astype(np.float32)


def novelty(frames: Captions) -> NDArray[np.float64]:
    return signal_novelty(frames, Signal.AUTO, window=3, metric=Metric.COSINE)


def test_a_caption_counts_by_how_likely_it_is_right() -> None:
    plain, trusted, guess = novelty(Captions()), novelty(Captions(chances(0.9))), novelty(Captions(chances(0.1)))
    assert plain[ODD] == pytest.approx(1)
    assert plain[ODD] > trusted[ODD] > 4 * guess[ODD]


def test_confidence_alone_makes_no_frame_odd() -> None:
    same = Captions(np.linspace(0, 1, COUNT, dtype=np.float32))
    assert np.delete(novelty(same), [ODD, *range(ODD + 1, COUNT)]).max() < 0.02


def test_unknown_confidence_changes_nothing() -> None:
    assert auto_embeddings(Captions()) == pytest.approx(auto_embeddings(Captions(np.ones(COUNT, np.float32))))
