"""Previews: not too often, not too large, and never a large part of an edit's time."""

import base64
import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from editor.edits.previews import SHARE, Previews
from framesense.media.images import RGB


class Clock:
    """``cost``: seconds that rendering takes."""

    def __init__(self, cost: float = 0.0) -> None:
        self.now, self.cost, self.rendered = 100.0, cost, 0

    def __call__(self) -> float:
        return self.now

    def render(self) -> list[RGB]:
        self.now += self.cost
        self.rendered += 1
        return [np.asarray(skimage.data.coffee())]


def taken_over(seconds: float, step: float, clock: Clock, previews: Previews) -> int:
    """How many previews are taken of steps of so many seconds each."""
    end, taken = clock.now + seconds, 0
    while clock.now < end:
        taken += previews.take(clock.render) is not None
        clock.now += step
    return taken


def test_the_first_comes_at_once_and_is_small() -> None:
    clock = Clock()
    (encoded,) = Previews(0.25, 128, clock).take(clock.render) or []
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert (picture.format, picture.size) == ("JPEG", (128, 85))
    assert np.abs(np.asarray(picture.resize((60, 40)), float) - skimage.data.coffee()[::10, ::10]).mean() < 40


def test_no_more_than_the_interval_allows_and_nothing_rendered_between() -> None:
    clock = Clock()
    assert taken_over(10, 0.01, clock, Previews(0.5, 64, clock)) == pytest.approx(20, abs=1)
    assert clock.rendered <= 21


def test_costly_ones_are_fewer() -> None:
    clock = Clock(cost=0.1)
    taken = taken_over(60, 0.05, clock, Previews(0.25, 64, clock))
    assert taken > 10 and taken * clock.cost <= 60 * SHARE + clock.cost


def test_at_every_step_where_that_is_wanted() -> None:
    clock = Clock(cost=1.0)
    previews = Previews(0, 64, clock)
    assert all(previews.take(clock.render) is not None for _ in range(5))
