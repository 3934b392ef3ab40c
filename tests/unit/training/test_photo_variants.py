"""Photos relit, and what is read off them."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tests.support.light_edits import brightness, warmth
from training.photo_variants import NAMES, read_off, vary
from training.pixel_diffusion_data import pack


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.coffee()  # 400 × 600


@pytest.mark.parametrize("variant", NAMES)
@pytest.mark.parametrize("level", [0, 40, 255])
def test_every_variant_of_every_photo_is_a_picture(variant: str, level: int, photo: np.ndarray) -> None:
    chance = np.random.default_rng(0)
    for one in (pack(Image.fromarray(photo), 32), np.full((32, 32, 3), level, np.uint8)):
        varied = vary(one, variant, chance)
        assert varied.shape == one.shape
        assert varied.dtype == np.uint8


def test_variants_look_like_their_words() -> None:
    small, chance = pack(Image.fromarray(skimage.data.astronaut()), 32), np.random.default_rng(0)
    seen = {name: vary(small, name, chance) for name in NAMES}
    assert brightness(seen["night"]) < brightness(seen["dusk"]) < brightness(seen["daylight"])
    assert warmth(seen["cold"]) < warmth(small) < warmth(seen["warm"])
    assert warmth(seen["cold"]) < 0 < warmth(seen["warm"])
    assert seen["fog"].std() < small.std()
    assert np.ptp(seen["grey"].astype(int), axis=2).max() <= 1


def test_what_is_read_off_a_photo() -> None:
    small, chance = pack(Image.fromarray(skimage.data.astronaut()), 32), np.random.default_rng(0)
    assert {"night", "dim"} & set(read_off(vary(small, "night", chance)))
    assert "grey" in read_off(vary(small, "grey", chance))
    assert "cold" in read_off(vary(small, "blue", chance))
    assert "warm" in read_off(vary(small, "warm", chance))
    ordinary = np.random.default_rng(0).integers(60, 180, (32, 32, 3)).astype(np.uint8)
    assert read_off(ordinary) == ["flat"]
