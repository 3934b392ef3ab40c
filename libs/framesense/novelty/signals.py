"""The novelty of frames by each signal that compares embeddings. (``patch`` compares patches: see
:mod:`framesense.novelty.patches`.) Pure numpy, no I/O.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.curve import Floats, rolling_novelty
from framesense.novelty.mixing import mix, robust_rolling_novelty
from framesense.schemas.novelty import Metric, Signal

AUTO_WEIGHTS = {"words": 0.05, "sentence": 0.1, "visual": 0.85}
"""Shares of the cosine; where frames have no visual embedding, words and sentence share alone."""


class FrameEmbeddings(Protocol):
    """The embeddings of n frames, a row a frame; ``visual`` is None where no model gave them.

    ``confidences``: the chance that each caption is right; None where it is not known.
    """

    @property
    def words(self) -> NDArray[np.float32]: ...
    @property
    def sentences(self) -> NDArray[np.float32]: ...
    @property
    def visual(self) -> NDArray[np.float32] | None: ...
    @property
    def confidences(self) -> NDArray[np.float32] | None: ...


def signal_novelty(frames: FrameEmbeddings, signal: Signal, *, window: int, metric: Metric) -> NDArray[np.float64]:
    """Measure each of n frames' novelty, in the metric's range.

    ``auto`` always compares directions: its euclidean distance is the chord √(2 · (1 − cos)) between a frame and the
    window's mean, both of length 1.

    Raises LookupError for a signal that was not stored.
    """
    if signal is Signal.AUTO:
        novelty = robust_rolling_novelty(auto_embeddings(frames), window=window, metric=Metric.COSINE)
        return novelty if metric is Metric.COSINE else np.sqrt(2 * np.maximum(novelty, 0))
    return rolling_novelty(embeddings(frames, signal), window=window, metric=metric)


def auto_embeddings(frames: FrameEmbeddings) -> NDArray[np.float64]:
    """Return what ``auto`` compares: n × d, of length 1. Captions count by how likely they are right."""
    parts: dict[str, Floats] = {
        "words": _by_confidence(frames.words, frames.confidences),
        "sentence": _by_confidence(frames.sentences, frames.confidences),
    }
    if frames.visual is not None:
        parts["visual"] = frames.visual
    return mix(parts, AUTO_WEIGHTS)


def _by_confidence(captions: Floats, confidences: NDArray[np.float32] | None) -> Floats:
    """Draw the embeddings of n captions towards the mean of all, the more the less likely each is right.

    A caption that is surely wrong says no more than what is usual. Scaling it down instead would make a frame differ
    from the next for its confidence alone.
    """
    if confidences is None or not len(captions):
        return captions
    usual = captions.mean(axis=0)
    drawn: Floats = usual + np.asarray(confidences, dtype=np.float64)[:, None] * (captions - usual)
    return drawn


def embeddings(frames: FrameEmbeddings, signal: Signal) -> NDArray[np.float32]:
    """Return a signal's embeddings, n × d; raises LookupError for one that has none, or whose are not stored."""
    stored = {Signal.WORDS: frames.words, Signal.SENTENCE: frames.sentences, Signal.VISUAL: frames.visual}
    found = stored.get(signal)
    if found is None:
        raise LookupError(f"no embeddings are stored for the signal {signal}")
    return found
