"""How much is decoded at once."""

import threading

import numpy as np
import pytest
from PIL import Image

from framesense.media.budget import PixelBudget
from framesense.media.images import ImageLimits, decode_image
from tests.support.image_files import file_of
from tests.support.waiting import wait_until


def _hold(budget: PixelBudget, pixels: int) -> tuple[threading.Event, threading.Event, threading.Thread]:
    """A thread that reserves pixels: events of when it has them, and of when it may give them back."""
    has, may_end = threading.Event(), threading.Event()

    def run() -> None:
        with budget.reserve(pixels):
            has.set()
            may_end.wait(60)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return has, may_end, thread


def test_what_fits_goes_on_and_the_rest_waits_in_order() -> None:
    budget = PixelBudget(10)
    first, end_first, _ = _hold(budget, 6)
    second, end_second, _ = _hold(budget, 4)
    assert first.wait(60) and second.wait(60)
    large, end_large, _ = _hold(budget, 100)
    wait_until(lambda: len(budget._waiting) == 1)
    small, end_small, _ = _hold(budget, 1)
    wait_until(lambda: len(budget._waiting) == 2)
    end_first.set()
    wait_until(lambda: budget._used == 4)
    assert not large.is_set(), "a picture beyond the budget is decoded alone"
    assert not small.is_set(), "nothing overtakes it, or it would wait for ever"
    end_second.set()
    assert large.wait(60)
    assert not small.is_set()
    end_large.set()
    assert small.wait(60)
    end_small.set()


def test_pixels_come_back_when_decoding_fails() -> None:
    budget = PixelBudget(10)
    with pytest.raises(ValueError, match="damaged"), budget.reserve(10):
        raise ValueError("damaged")
    with budget.reserve(10):
        pass


def test_pictures_wait_for_their_turn() -> None:
    budget = PixelBudget(100)
    limits = ImageLimits(10**6, 10**6, budget)
    content = file_of(Image.fromarray(np.zeros((10, 10, 3), np.uint8)), "PNG")
    has, may_end, _ = _hold(budget, 1)
    assert has.wait(60)
    pictures: list[object] = []
    reader = threading.Thread(target=lambda: pictures.append(decode_image(content, limits)), daemon=True)
    reader.start()
    wait_until(lambda: len(budget._waiting) == 1)
    assert not pictures
    may_end.set()
    reader.join(60)
    assert len(pictures) == 1
