"""Novelty and moments against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from framesense.novelty.curve import SAME, older_clients_distance, robust_z, rolling_novelty
from framesense.novelty.mixing import robust_rolling_novelty
from framesense.schemas.novelty import Metric

FRAMES = np.array([[0.0, 1.0], [0.0, 1.0], [3.0, 4.0], [0.0, 2.0]])


def test_euclidean_distance_to_the_mean_of_the_window() -> None:
    # Means of up to two before: –, (0, 1), (0, 1), (1.5, 2.5).
    novelty = rolling_novelty(FRAMES, window=2, metric=Metric.EUCLIDEAN)
    assert novelty == pytest.approx([0, 0, np.sqrt(9 + 9), np.sqrt(2.25 + 0.25)])


def test_cosine_distance_to_the_mean_of_the_window() -> None:
    # cos((3, 4), (0, 1)) = 0.8; cos((0, 2), (1.5, 2.5)) = 2.5 / √8.5
    novelty = rolling_novelty(FRAMES, window=2, metric=Metric.COSINE)
    assert novelty == pytest.approx([0, 0, 0.2, 1 - 2.5 / np.sqrt(8.5)])


def test_a_window_longer_than_the_video_takes_what_there_is() -> None:
    # Means of all before: –, (0, 1), (0, 1), (1, 2).
    novelty = rolling_novelty(FRAMES, window=1000, metric=Metric.EUCLIDEAN)
    assert novelty == pytest.approx([0, 0, np.sqrt(18), 1])


def test_opposite_right_angled_and_zero_vectors_by_cosine() -> None:
    frames = np.array([[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    assert rolling_novelty(frames, window=1, metric=Metric.COSINE) == pytest.approx([0, 2, 1, 1])


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("frames", [0, 1])
def test_nothing_to_compare_with(frames: int, metric: Metric) -> None:
    assert rolling_novelty(np.ones((frames, 3)), window=3, metric=metric).tolist() == [0.0] * frames
    assert older_clients_distance(np.ones((frames, 3)), window=3, metric=metric).tolist() == [0.0] * frames


@pytest.mark.parametrize(("shape", "window"), [((3,), 1), ((2, 2, 2), 1), ((2, 2), 0), ((2, 2), -1)])
def test_what_is_no_list_of_vectors_is_refused(shape: tuple[int, ...], window: int) -> None:
    with pytest.raises(ValueError, match=r"window|frames"):
        rolling_novelty(np.ones(shape), window=window, metric=Metric.COSINE)


def test_older_clients_get_zeros_until_the_window_is_full() -> None:
    assert older_clients_distance(FRAMES, window=2, metric=Metric.EUCLIDEAN) == pytest.approx(
        [0, 0, np.sqrt(18), np.sqrt(2.5)]
    )
    assert older_clients_distance(FRAMES, window=3, metric=Metric.EUCLIDEAN) == pytest.approx([0, 0, 0, 1])
    assert older_clients_distance(FRAMES, window=9, metric=Metric.EUCLIDEAN).tolist() == [0, 0, 0, 0]


def test_older_clients_cosine_is_one_over_the_similarity() -> None:
    assert older_clients_distance(FRAMES, window=1, metric=Metric.COSINE) == pytest.approx([0, 1, 1.25, 1.25])
    at_right_angles = older_clients_distance(np.eye(2), window=1, metric=Metric.COSINE)
    assert at_right_angles[1] == np.finfo(np.float32).max
    opposite = older_clients_distance(np.array([[1.0, 0.0], [-1.0, 0.0]]), window=1, metric=Metric.COSINE)
    assert opposite[1] == pytest.approx(-1)


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 4)), elements=st.floats(-100, 100)),
    st.integers(1, 40),
)
def test_the_rolling_means_are_those_of_the_plain_way(frames: np.ndarray, window: int) -> None:
    before = [frames[max(0, index - window) : index] for index in range(len(frames))]
    means = [frames[0], *(before[i].mean(axis=0) for i in range(1, len(frames)))]
    found = rolling_novelty(frames, window=window, metric=Metric.EUCLIDEAN)
    for frame, mean, novelty in zip(frames, means, found, strict=True):
        plain, same = float(np.linalg.norm(frame - mean)), float(np.sqrt(2 * SAME) * np.linalg.norm(mean))
        # Next to the floor rounding decides on which side of it a distance is.
        allowed = ([0.0] if plain < 1.001 * same else []) + ([plain] if plain >= 0.999 * same else [])
        assert any(novelty == pytest.approx(value, abs=1e-9) for value in allowed), (plain, same)


def test_robust_scores_by_median_and_mad() -> None:
    # Median 2; deviations 1, 0, 1, 0, 1, 7, 6, 0 have the median 1.
    assert robust_z(np.array([1.0, 2, 3, 2, 1, 9, 8, 2]), floor=0.1)[5] == pytest.approx(0.6745 * 7)


def test_where_most_values_are_equal_the_mean_deviation_takes_over() -> None:
    # Deviations from the median 1: nine zeros and one 5, so their mean is 0.5.
    scores = robust_z(np.array([1.0] * 9 + [6.0]), floor=0.1)
    assert scores[9] == pytest.approx(5 * np.sqrt(2 / np.pi) / 0.5)
    assert robust_z(np.ones(9), floor=0.1).tolist() == [0] * 9


def test_scores_are_bounded_by_the_floor() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-9, 60)
    assert np.abs(robust_z(noise, floor=1e-3)).max() < 1e-4
    noise[30] += 0.4
    assert robust_z(noise, floor=1e-3)[30] < 100


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("window", [1, 3, 100])
def test_the_same_picture_in_other_batches_has_no_novelty(metric: Metric, window: int) -> None:
    rng = np.random.default_rng(1)
    picture = rng.normal(size=472)
    same = np.tile(picture, (60, 1)) * (1 + 1e-4 * rng.normal(size=(60, 472)))
    stored = same.astype(np.float16).astype(np.float32)
    assert rolling_novelty(stored, window=window, metric=metric).max() == 0
    assert robust_rolling_novelty(stored, window=window, metric=metric).max() == 0
    stored[30] = rng.normal(size=472)
    assert rolling_novelty(stored, window=window, metric=metric)[30] > 0.5
