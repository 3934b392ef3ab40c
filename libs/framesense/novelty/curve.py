"""How unlike each frame is to the frames before it. Pure numpy, no I/O.

Prefer ``cosine`` when the embeddings' lengths mean nothing (sentence encoders), ``euclidean`` when they do (the mean
of a caption's word embeddings shrinks as its words disagree). A larger window forgets more slowly: it marks the whole
of a scene that differs, where a window of one marks only the cuts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framesense.schemas.novelty import Metric

Floats = NDArray[np.floating]

SAME = 1e-6
"""Cosine distances below this are no novelty: the same picture in another batch, or stored as float16, is up to 2e-7
from itself."""
MAD_TO_SIGMA = 0.6745
"""The median absolute deviation of a normal distribution, in standard deviations (Iglewicz & Hoaglin, 1993)."""


def rolling_novelty(embeddings: Floats, *, window: int, metric: Metric) -> NDArray[np.float64]:
    """Measure the novelty of each of ``n`` frames: its distance to the mean of up to ``window`` frames before it.

    ``embeddings``: n × d, any scale. Returns n values: ``euclidean`` ‖eᵢ − mean‖₂ in [0, ∞), ``cosine`` 1 − cos in [0,
    2]. The first frame has nothing before it and gets 0. A zero vector is at cosine distance 1 from anything. Raises
    ValueError for a window under 1 or an array that is not n × d.
    """
    vectors, means = _with_rolling_means(embeddings, window)
    novelty = np.zeros(len(vectors))
    novelty[1:] = frame_distances(vectors[1:], means[1:], metric)
    return novelty


def frame_distances(a: NDArray[np.float64], b: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """Measure distances row by row, n × d each: ‖a − b‖₂, or 1 − cos.

    Returns n values, 0 where the vectors are the same but for rounding.
    """
    if metric is Metric.EUCLIDEAN:
        lengths = np.linalg.norm(a - b, axis=1)
        distances: NDArray[np.float64] = np.where(lengths < np.sqrt(2 * SAME) * np.linalg.norm(b, axis=1), 0, lengths)
    else:
        cosines = 1.0 - _cosines(a, b)
        distances = np.where(cosines < SAME, 0, cosines)
    return distances


def older_clients_distance(embeddings: Floats, *, window: int, metric: Metric) -> NDArray[np.float64]:
    """Measure novelty by the arithmetic of the older ``/get_video_captions``.

    That is zeros until ``window`` frames have passed, then the euclidean distance to their mean, or 1 / cosine
    similarity (1 is alike, larger is less alike; it has a pole where the vectors are at right angles, kept because
    those clients' thresholds were set on it).

    ``embeddings``: n × d. Returns n finite values: at the pole, the largest float32.
    """
    vectors, means = _with_rolling_means(embeddings, window)
    distance = np.zeros(len(vectors))
    current, before = vectors[window:], means[window:]
    if metric is Metric.EUCLIDEAN:
        distance[window:] = np.linalg.norm(current - before, axis=1)
    else:
        cosines = _cosines(current, before)
        limit = float(np.finfo(np.float32).max)
        inverse = np.divide(1.0, cosines, out=np.full_like(cosines, limit), where=cosines != 0)
        distance[window:] = np.clip(inverse, -limit, limit)
    return distance


def _with_rolling_means(embeddings: Floats, window: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the embeddings as n × d float64 and, for each, the mean of up to ``window`` before it (row 0: zeros)."""
    vectors = np.asarray(embeddings, dtype=np.float64)
    if vectors.ndim != 2:
        raise ValueError(f"embeddings must be frames × dimensions, not {vectors.shape}")
    if window < 1:
        raise ValueError(f"window must be at least 1, not {window}")
    frames = np.arange(len(vectors))
    sums = np.concatenate([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0)])
    starts = np.maximum(frames - window, 0)
    counts = np.maximum(frames - starts, 1)[:, None]
    return vectors, (sums[frames] - sums[starts]) / counts


def _cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    dots = np.einsum("nd,nd->n", a, b)
    cosines: NDArray[np.float64] = np.clip(np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0), -1, 1)
    return cosines


@dataclass(frozen=True)
class Span:
    """A stretch of frames that stands out: indices of its first, highest and last frame, and the peak's score."""

    start: int
    peak: int
    end: int
    score: float


def robust_z(values: NDArray[np.float64], *, floor: float) -> NDArray[np.float64]:
    """Compute the robust z-scores of n ≥ 1 values: 0.6745 · (value − median) / MAD (Iglewicz & Hoaglin, 1993).

    Where more than half of the values are equal the MAD is 0, and the mean absolute deviation takes its place (its
    constant is 0.7979 = √(2/π)). ``floor``: the standard deviation of values that mean the same, > 0; the spread is
    taken to be no smaller, else rounding errors would be given enormous scores.
    """
    scores: NDArray[np.float64] = (values - np.median(values)) / robust_spread(values, floor=floor)
    return scores


def robust_spread(values: NDArray[np.float64], *, floor: float) -> float:
    """Estimate the standard deviation of n ≥ 1 values, ``floor`` or more, as :func:`robust_z` does."""
    sizes = np.abs(values - np.median(values))
    by_median = float(np.median(sizes)) / MAD_TO_SIGMA
    by_mean = float(np.mean(sizes)) / float(np.sqrt(2 / np.pi))
    return by_median if by_median > floor else max(by_mean, floor)
