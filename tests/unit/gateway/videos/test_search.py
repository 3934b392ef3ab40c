"""The best stretches of a similarity curve."""

import numpy as np

from framesense.novelty.curve import Span
from gateway.videos.search import best_spans


def test_stretches_come_best_first_and_do_not_overlap() -> None:
    curve = np.array([0, 0, 0.3, 0.5, 0.4, 0, 0, 0, 0, 0.9, 0, 0, 0])
    assert best_spans(curve, limit=9) == [Span(9, 9, 9, 0.9), Span(2, 3, 4, 0.5)]
    assert best_spans(curve, limit=1) == [Span(9, 9, 9, 0.9)]


def test_a_flat_curve_has_none() -> None:
    assert best_spans(np.full(5, 0.2), limit=3) == []
    assert best_spans(np.array([0.4]), limit=3) == []


def test_a_standing_picture_has_no_moments() -> None:
    noise = 0.24 + np.random.default_rng(0).normal(0, 0.001, 200)
    assert best_spans(noise, limit=9) == []
    noise[80:90] += 0.05
    (found,) = best_spans(noise, limit=9)
    assert (found.start, found.end) == (80, 89)
