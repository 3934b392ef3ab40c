"""One novelty signal out of several, and a window that odd frames do not spoil: what signal ``auto`` computes.

Pure numpy, no I/O. docs/novelty.md has the measurements that chose the weights and the window.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.curve import SAME, Floats, frame_distances, robust_spread, rolling_novelty
from framesense.schemas.novelty import Metric

OUTLIER = 3.5
"""Robust z-score from which a frame is odd (Iglewicz & Hoaglin, 1993)."""


def mix(embeddings: Mapping[str, Floats], weights: Mapping[str, float]) -> NDArray[np.float64]:
    """Join several embeddings of the same n frames to one whose cosine is the weighted mean of theirs.

    Each is L2-normalised, scaled by √(wₖ / Σw) and put next to the others, so ⟨eᵢ, eⱼ⟩ = Σ wₖ cosₖ(i, j) / Σ w.
    ``embeddings``: n × dₖ by name; ``weights``: ≥ 0 by name, those of names that are not there are left out. Returns n
    × Σ dₖ, of length 1 where no part is a zero vector. Raises ValueError when nothing has a weight.
    """
    used = {name: weights.get(name, 0.0) for name in embeddings}
    total = sum(used.values())
    if total <= 0:
        raise ValueError("none of the embeddings has a weight")
    return np.hstack([np.sqrt(used[name] / total) * unit(part) for name, part in embeddings.items() if used[name]])


def unit(vectors: Floats) -> NDArray[np.float64]:
    """Scale rows to length 1; zero rows stay zero."""
    rows = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: NDArray[np.float64] = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    return scaled


def robust_rolling_novelty(embeddings: Floats, *, window: int, metric: Metric) -> NDArray[np.float64]:
    """Measure each of n frames' distance to the mean of the last ``window`` *familiar* frames before it.

    A plain window (:func:`framesense.novelty.curve.rolling_novelty`) takes up what is odd at once: after a foreign
    scene of two frames, a window of three holds two of them, and the frames that follow look as odd as the scene did.
    Here a frame that stands out waits. If the frames after it stand out too, for longer than ``window`` frames, the
    scene has stayed and becomes the familiar one; if not, they were a passing moment and are forgotten. A frame stands
    out when its novelty is above median + 3.5 · MAD / 0.6745 of the plain curve of the whole video.

    ``embeddings``: n × d, any scale. Returns n values, in the metric's range; 0 for the first frame. Raises ValueError
    as ``rolling_novelty`` does.
    """
    plain = rolling_novelty(embeddings, window=window, metric=metric)
    novelty = np.zeros(len(plain))
    if len(plain) < 2:
        return novelty
    vectors = np.asarray(embeddings, dtype=np.float64)
    floor = SAME if metric is Metric.COSINE else np.sqrt(2 * SAME)
    limit = float(np.median(plain[1:])) + OUTLIER * robust_spread(plain[1:], floor=floor)
    familiar, waiting = [0], list[int]()
    for index in range(1, len(vectors)):
        mean = vectors[familiar].mean(axis=0)
        novelty[index] = frame_distances(vectors[index, None], mean[None], metric)[0]
        if novelty[index] <= limit:
            familiar, waiting = [*familiar, index][-window:], []
        elif len(waiting) < window:
            waiting.append(index)
        else:
            familiar, waiting = [*waiting, index][-window:], []
    return novelty
