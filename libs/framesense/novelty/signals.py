"""What a frame's novelty is by each signal that compares embeddings. (``patch`` compares patches: see
:mod:`framesense.novelty.patches`.) Pure numpy, no I/O.
"""

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.curve import Floats, rolling_novelty
from framesense.novelty.mixing import mix, patient_novelty
from framesense.schemas.novelty import Metric, Signal
from framesense.storage.analyses import Frames

AUTO_WEIGHTS = {"words": 0.05, "sentence": 0.1, "visual": 0.85}
"""Shares of the cosine; where frames have no visual embedding, words and sentence share alone."""


def signal_novelty(frames: Frames, signal: Signal, *, window: int, metric: Metric) -> NDArray[np.float64]:
    """Novelty of each of n frames, in the metric's range. Raises LookupError for a signal that was not stored.

    ``auto`` always compares directions: its euclidean distance is the chord √(2 · (1 − cos)) between a frame and the
    window's mean, both of length 1.
    """
    if signal is Signal.AUTO:
        novelty = patient_novelty(auto_embeddings(frames), window=window, metric=Metric.COSINE)
        return novelty if metric is Metric.COSINE else np.sqrt(2 * np.maximum(novelty, 0))
    return rolling_novelty(embeddings(frames, signal), window=window, metric=metric)


def auto_embeddings(frames: Frames) -> NDArray[np.float64]:
    """n × d, of length 1: what ``auto`` compares."""
    parts: dict[str, Floats] = {"words": frames.words, "sentence": frames.sentences}
    if frames.visual is not None:
        parts["visual"] = frames.visual
    return mix(parts, AUTO_WEIGHTS)


def embeddings(frames: Frames, signal: Signal) -> NDArray[np.float32]:
    """n × d. Raises LookupError for a signal that has none, or whose are not stored."""
    stored = {Signal.WORDS: frames.words, Signal.SENTENCE: frames.sentences, Signal.VISUAL: frames.visual}
    found = stored.get(signal)
    if found is None:
        raise LookupError(f"no embeddings are stored for the signal {signal}")
    return found
