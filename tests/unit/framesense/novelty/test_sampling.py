"""How often a video is looked at by default."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framesense.novelty.sampling import LEAST_FRAMES, MOST_FRAMES, default_interval


@pytest.mark.parametrize(
    ("duration", "interval"), [(10, 0.2), (30, 0.25), (60, 0.25), (300, 0.5), (1200, 1), (3600, 2), (5 * 3600, 10)]
)
def test_the_interval_follows_from_the_length(duration: float, interval: float) -> None:
    assert default_interval(duration) == interval


@given(st.floats(2, 10 * 24 * 3600))
def test_enough_frames_and_not_too_many(duration: float) -> None:
    frames = duration / default_interval(duration)
    assert frames >= 0.9 * LEAST_FRAMES
    assert frames <= MOST_FRAMES or duration > 3600 * MOST_FRAMES


def test_a_flash_of_a_video_still_has_an_interval() -> None:
    assert default_interval(0.0) == default_interval(0.1) == 0.04


def test_no_video_is_looked_at_more_often_than_it_has_frames() -> None:
    assert default_interval(0.3, 0.1) == 0.1
    assert default_interval(10, 1.0) == 1.0
    assert default_interval(300, 0.04) == default_interval(300)
