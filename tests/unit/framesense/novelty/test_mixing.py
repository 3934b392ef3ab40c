"""The mixed signal and its window, against values worked out by hand and by brute force."""

import numpy as np
import pytest

from framesense.novelty.curve import rolling_novelty
from framesense.novelty.mixing import mix, robust_rolling_novelty
from framesense.schemas.novelty import Metric


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_mix_has_the_weighted_mean_of_the_cosines() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(4, 3)), 9 * rng.normal(size=(4, 5)), rng.normal(size=(4, 2))
    mixed = mix({"a": a, "b": b, "c": c}, {"a": 1, "b": 3, "absent": 5})
    assert mixed.shape == (4, 8)
    assert mixed[0] @ mixed[1] == pytest.approx((_cosine(a[0], a[1]) + 3 * _cosine(b[0], b[1])) / 4)
    assert np.linalg.norm(mixed, axis=1) == pytest.approx(1)
    with pytest.raises(ValueError, match="weight"):
        mix({"a": a}, {"b": 1})


def _scenes(*runs: tuple[str, int]) -> np.ndarray:
    """Runs of one direction each, a little noise."""
    directions = dict(zip("ABC", np.eye(3, 16), strict=True))
    rows = np.concatenate([np.tile(directions[name], (count, 1)) for name, count in runs])
    noisy: np.ndarray = rows + np.random.default_rng(0).normal(0, 0.01, rows.shape)
    return noisy


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("stay", [1, 2, 3])
def test_a_passing_scene_is_odd_as_a_whole_and_nothing_after_it(stay: int, metric: Metric) -> None:
    embeddings = _scenes(("A", 10), ("B", stay), ("A", 10))
    found = robust_rolling_novelty(embeddings, window=3, metric=metric)
    odd = slice(10, 10 + stay)
    assert found[odd].min() > 0.9
    assert np.delete(found, np.arange(10, 10 + stay)).max() < 0.1
    if stay > 1:  # the plain window is fooled: this is what the patient one is for
        plain = rolling_novelty(embeddings, window=3, metric=metric)
        assert plain[10 + stay] > 0.5


def test_a_scene_that_stays_becomes_familiar() -> None:
    found = robust_rolling_novelty(_scenes(("A", 20), ("B", 20)), window=3, metric=Metric.COSINE)
    assert found[20:24].min() > 0.9, "odd while it is waited for: the window and one more"
    assert found[24:].max() < 0.1


def test_without_anything_odd_it_is_the_plain_window() -> None:
    embeddings = np.cumsum(np.full((30, 1), 0.5), axis=0)
    for window in (1, 4):
        plain = rolling_novelty(embeddings, window=window, metric=Metric.EUCLIDEAN)
        # The first frames, whose window is not full, are nearer than the rest: below the limit like all others.
        assert robust_rolling_novelty(embeddings, window=window, metric=Metric.EUCLIDEAN) == pytest.approx(plain)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_before(count: int) -> None:
    assert robust_rolling_novelty(np.ones((count, 4)), window=3, metric=Metric.COSINE).tolist() == [0.0] * count
