"""Light that goes out, comes back, fades."""

import numpy as np
import pytest

from framesense.novelty.light import DARK, light_changes


def test_a_light_that_goes_out_is_new_until_the_dark_is_old() -> None:
    brightness = np.array([100.0 - DARK] * 20 + [50.0 - DARK] * 20)
    changes = light_changes(brightness, gap=6)
    assert changes == pytest.approx([0] * 20 + [1] * 6 + [0] * 14)


def test_what_comes_back_is_not_new() -> None:
    brightness = np.array(([100.0] * 10 + [20.0] * 10) * 3)
    changes = light_changes(brightness, gap=4)
    assert changes[10:14].min() > 2
    assert not changes[20:].any()


def test_a_slow_sunset_is_not_new() -> None:
    assert light_changes(np.geomspace(200, 20, 300), gap=12).max() < 0.2


@pytest.mark.parametrize("brightness", [[], [90.0], [0.0, 0.0, 0.0]])
def test_little_or_nothing_to_compare(brightness: list[float]) -> None:
    assert light_changes(np.array(brightness), gap=12).tolist() == [0] * len(brightness)
