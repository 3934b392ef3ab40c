"""Humps, their ranking and their strength, worked out by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from framesense.novelty.moments import FAINT, WEAK, find_moments, stands_out
from framesense.schemas.novelty import Strength


def spans(scores: list[float], sensitivity: float = 0.5, limit: int = 20) -> list[tuple[int, int, int]]:
    found = find_moments(np.array(scores), sensitivity=sensitivity, limit=limit)
    return [(moment.start, moment.peak, moment.end) for moment in found]


def test_the_strongest_comes_first_and_reaches_to_half_its_height() -> None:
    scores = [0, 0.9, 1.5, 1.2, 0.3, 0, 0, 0.7, 2.0, 2.4, 1.3, 0]
    assert spans(scores) == [(8, 9, 10), (1, 2, 3)]
    assert spans(scores, limit=1) == [(8, 9, 10)]


def test_a_shallow_valley_parts_nothing_and_a_deep_one_parts_two() -> None:
    assert spans([0, 2, 1.2, 1.2, 1.6, 0]) == [(1, 1, 4)]
    assert spans([0, 2, 0.7, 0.7, 1.6, 0]) == [(1, 1, 1), (4, 4, 4)]


def test_a_gap_of_one_frame_is_a_slip_and_not_an_end() -> None:
    assert spans([0, 2, 0, 1.9, 0, 0]) == [(1, 1, 3)]


def test_strong_weak_and_faint() -> None:
    strong, weak = find_moments(np.array([0, 1.0, 0, 0, 0.6, 0, 0, 0.3, 0, 0]))
    assert (strong.strength, strong.score, weak.strength, weak.score) == (Strength.STRONG, 1.0, Strength.WEAK, 0.6)
    faint = find_moments(np.array([0, 0.3, 0, 0, 0.5, 0, 0, 0.25, 0, 0, 0.4, 0]))
    assert [moment.peak for moment in faint] == [4, 10, 1]  # never empty where there are humps, but no more than three
    assert not stands_out(faint)
    assert stands_out([strong, weak])


@pytest.mark.parametrize("scores", [[], [0.0], [0.0] * 50, [FAINT / 2] * 50])
def test_where_nothing_happens_nothing_is_listed(scores: list[float]) -> None:
    assert find_moments(np.array(scores)) == []


def test_sensitivity_scales_the_scores_and_nothing_else() -> None:
    scores = np.array([0, 0.55, 0, 0, 1.1, 0, 0])
    usual, high, low = (find_moments(scores, sensitivity=value) for value in (0.5, 1, 0))
    assert [round(moment.score, 6) for moment in high] == [2.2, 1.1]
    assert [moment.strength for moment in high] == [Strength.STRONG, Strength.STRONG]
    assert [moment.peak for moment in usual] == [4]
    assert [moment.strength for moment in low] == [Strength.WEAK] * 2
    for sensitivity in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="sensitivity"):
            find_moments(scores, sensitivity=sensitivity)


@given(arrays.arrays(np.float64, st.integers(0, 60), elements=st.floats(0, 5)), st.floats(0, 1))
def test_ranked_inside_the_video_and_each_frame_is_the_peak_of_one_at_most(
    scores: np.ndarray, sensitivity: float
) -> None:
    moments = find_moments(scores, sensitivity=sensitivity)
    heights = [moment.score for moment in moments]
    assert heights == sorted(heights, reverse=True)
    assert all(0 <= moment.start <= moment.peak <= moment.end < len(scores) for moment in moments)
    assert len({moment.peak for moment in moments}) == len(moments)
    assert bool(moments) == bool(len(scores) and scores.max() * 4 ** (sensitivity - 0.5) >= FAINT)
    if moments and moments[0].score >= WEAK:
        assert moments[0].score == pytest.approx(scores.max() * 4 ** (sensitivity - 0.5))


def test_one_stretch_is_listed_once() -> None:
    scores = np.full(40, 0.02)
    scores[:5] = [0.5, 0.3, 0.26, 0.4, 0.45]
    moments = find_moments(scores)
    spans = [(moment.start, moment.end) for moment in moments]
    assert len(spans) == len(set(spans))
    for stronger, moment in itertools.combinations(moments, 2):
        assert not stronger.start <= moment.peak <= stronger.end


def test_no_moment_spans_a_hole() -> None:
    scores = np.array([0, 0, 0.9, 1.0, 1.2, 1.1, 0, 0])
    (whole,) = find_moments(scores)
    assert (whole.start, whole.peak, whole.end) == (2, 4, 5)
    after, before = find_moments(scores, breaks=[4])
    assert (before.start, before.peak, before.end) == (2, 3, 3)
    assert (after.start, after.peak, after.end) == (4, 4, 5)
    assert find_moments(scores, breaks=[0, 8]) == [whole]
