"""Masks at a photo's size, soft edges, where words apply, and that the rest stays byte for byte."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from editor.imaging.masks import encode_mask, feather, fit_mask
from editor.imaging.preservation import keep, region_of_words


def circle(width: int = 300, height: int = 200) -> Any:
    return cv2.circle(np.zeros((height, width), np.uint8), (width // 2, height // 2), 60, 255, -1)


@pytest.mark.parametrize("size", [(600, 400), (150, 100), (100, 300)])
def test_another_size_is_resized_and_told(size: tuple[int, int]) -> None:
    mask, note = fit_mask((circle() / 255).astype(np.float32), size)
    assert (mask.shape, mask.dtype) == ((size[1], size[0]), np.float32)
    assert mask.mean() == pytest.approx((circle() > 0).mean(), abs=0.01)
    assert note == f"the mask, 300 × 200 pixels, was resized to the photo's {size[0]} × {size[1]}"


def test_a_mask_of_the_photos_size_stays() -> None:
    mask = (circle() / 255).astype(np.float32)
    fitted, note = fit_mask(mask, (300, 200))
    assert fitted is mask and note is None


def test_a_feather_is_soft_at_the_edge_and_ends() -> None:
    mask = (circle() / 255).astype(np.float32)
    soft = feather(mask, 4)
    assert soft.sum() == pytest.approx(mask.sum(), rel=0.02)
    assert (soft[circle() == 0] > 0.1).any()
    assert soft[cv2.dilate(circle(), np.ones((41, 41))) == 0].max() == 0
    assert soft[cv2.erode(circle(), np.ones((41, 41))) == 255].min() == 1
    assert feather(mask, 0) is mask
    assert Image.open(io.BytesIO(encode_mask(soft))).getextrema() == (0, 255)


def test_keeping_mixes_inside_and_leaves_the_rest_to_the_byte() -> None:
    photo, edited = skimage.data.coffee(), skimage.data.coffee()[::-1]
    weights = feather((circle(600, 400) / 255).astype(np.float32), 3)
    kept = keep(photo, edited, weights)
    assert (kept[weights == 0] == photo[weights == 0]).all()
    assert (kept[weights == 1] == edited[weights == 1]).all()
    between = (weights > 0) & (weights < 1)
    mixture = photo[between] + weights[between][:, None] * (edited[between].astype(float) - photo[between])
    assert np.abs(kept[between] - mixture).max() <= 0.51
    assert photo is not kept and (photo == skimage.data.coffee()).all()


# ------------------------------------------------------------------------------------------ where words apply


def relevance(level: float = 5.0) -> Any:
    """Noisy differences, ``level`` times as large within a rectangle of a tenth of the map."""
    values = np.random.default_rng(0).gamma(8, 1 / 8, (64, 64)).astype(np.float32)
    values[10:30, 20:40] *= level
    return values


def test_what_stands_out_is_the_region() -> None:
    region = region_of_words(relevance(), 320, 320, 2)
    assert region.note is None
    assert region.weights[65:135, 115:185].min() == 1
    assert region.weights[180:].mean() < 0.02 and region.weights[:, 240:].mean() < 0.02
    assert region.weights.shape == (320, 320)


def test_the_unit_of_the_differences_does_not_matter() -> None:
    first, second = (region_of_words(factor * relevance(), 90, 60, 1).weights for factor in (1, 1e-4))
    np.testing.assert_allclose(first, second)


def test_an_outlier_does_not_take_the_place_of_the_rest() -> None:
    spiked = relevance()
    spiked[60, 60] = 1e3
    assert region_of_words(spiked, 64, 64, 0).weights[15:25, 25:35].min() == 1


def test_alike_everywhere_is_everywhere_and_nothing_is_nowhere() -> None:
    shape = (64, 64)
    even = region_of_words(np.random.default_rng(0).gamma(8, 1 / 8, shape).astype(np.float32), 80, 60, 1)
    assert even.weights.min() == 1 and even.weights.shape == (60, 80) and "equally everywhere" in (even.note or "")
    for nothing in (np.zeros(shape, np.float32), np.full(shape, np.nan, np.float32)):
        region = region_of_words(nothing, 80, 60, 1)
        assert region.weights.max() == 0 and "nowhere" in (region.note or "")


def test_a_small_thing_is_found_too() -> None:
    small = np.random.default_rng(0).gamma(8, 1 / 8, (64, 64)).astype(np.float32)
    small[30:35, 40:45] *= 12
    weights = region_of_words(small, 64, 64, 0).weights
    assert weights[31:34, 41:44].min() == 1 and weights.mean() < 0.03
