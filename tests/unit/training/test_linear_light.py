"""Light as a camera measures it: exposed, cast, and back."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from training.linear_light import cast, expose, luminance, to_linear, to_srgb


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.coffee()  # 400 × 600


def test_linear_light_and_back(photo: np.ndarray) -> None:
    srgb = photo.astype(np.float32) / 255
    assert np.allclose(to_srgb(to_linear(srgb)), srgb, atol=1e-4)


@pytest.mark.parametrize("level", [0.1, 0.3, 0.6])
def test_exposing_reaches_its_level(photo: np.ndarray, level: float) -> None:
    exposed = expose(to_linear(photo.astype(np.float32) / 255), level)
    assert float(to_srgb(luminance(exposed)).mean()) == pytest.approx(level, abs=0.01)


def test_a_full_cast_gives_the_mean_its_colour(photo: np.ndarray) -> None:
    cast_photo = cast(to_linear(photo.astype(np.float32) / 255), (1.5, 1.0, 0.5), 1.0)
    red, green, blue = cast_photo.reshape(-1, 3).mean(axis=0)
    assert red / green == pytest.approx(1.5, rel=0.2)
    assert blue / green == pytest.approx(0.5, rel=0.2)
