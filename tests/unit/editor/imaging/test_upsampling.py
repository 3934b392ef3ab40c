"""A change seen in a small picture, carried to the large photo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data

from editor.imaging.upsampling import carry, fit, shrink, spline_weights

SIDE = 32


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.coffee()  # 400 × 600


def test_no_change_leaves_every_byte(photo: np.ndarray) -> None:
    small = shrink(photo, SIDE)
    assert np.array_equal(carry(photo, small, small), photo)


def test_a_darker_small_picture_darkens_the_photo_and_its_detail_alike(photo: np.ndarray) -> None:
    small = shrink(photo, SIDE)
    carried = carry(photo, small, 0.5 * small)
    wanted = 0.5 * photo
    assert np.abs(carried - wanted).mean() < 3
    plain = np.clip(photo + 255 * cv2.resize(-0.5 * small, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC), 0, 255)
    assert np.abs(carried - wanted).mean() < 0.5 * np.abs(plain - wanted).mean()


def test_a_change_of_colour_everywhere_is_carried_as_it_is(photo: np.ndarray) -> None:
    dull = (0.2 * photo + 40).astype(np.uint8)  # so that nothing is clipped
    small = shrink(dull, SIDE)
    carried = carry(dull, small, small + np.float32([0.2, 0.0, -0.1]))
    assert np.abs(carried - (dull + 255 * np.array([0.2, 0.0, -0.1]))).max() < 1.01


def test_what_has_nothing_to_do_with_the_colours_does_not_disturb_detail(photo: np.ndarray) -> None:
    small = shrink(photo, SIDE)
    chance = np.random.default_rng(0)
    speckled = np.clip(small + chance.normal(0, 0.1, small.shape), 0, 1).astype(np.float32)
    carried = carry(photo, small, speckled)
    # a tenth of the range in every small pixel; its mean over a window is what is left
    assert np.abs(carried.astype(int) - photo).mean() < 8
    detail = photo - cv2.GaussianBlur(photo, (0, 0), 3).astype(np.float32)
    kept = carried - cv2.GaussianBlur(carried, (0, 0), 3).astype(np.float32)
    assert np.corrcoef(detail.ravel(), kept.ravel())[0, 1] > 0.98


def test_the_change_keeps_to_the_edges_of_the_photo() -> None:
    """A bright thing on dark ground, its edge between two small pixels; only the bright thing changes."""
    photo = np.full((320, 320, 3), 40, np.uint8)
    photo[:, 165:] = 220
    small = shrink(photo, SIDE)
    after = shrink((photo * np.where(photo > 100, [0.5, 0.5, 1.0], 1.0)).astype(np.uint8), SIDE)
    carried = carry(photo, small, after).astype(float)
    wanted = photo * np.where(photo > 100, [0.5, 0.5, 1.0], 1.0)
    near = np.s_[:, 135:195]
    enlarged = photo / 255 + cv2.resize(after - small, (320, 320), interpolation=cv2.INTER_CUBIC)
    plain = 255 * np.clip(enlarged, 0, 1)
    assert np.abs(carried - wanted)[near].mean() < 0.5 * np.abs(plain - wanted)[near].mean()


def test_stripes_do_not_show(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    small = shrink(photo, SIDE)
    whole = carry(photo, small, small**2)
    monkeypatch.setattr("editor.imaging.upsampling.STRIPE_PIXELS", 3 * photo.shape[1])
    assert np.abs(carry(photo, small, small**2).astype(int) - whole).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 700), (701, 3), (31, 33), (32, 32)])
def test_every_size_of_photo(photo: np.ndarray, height: int, width: int) -> None:
    part = np.ascontiguousarray(photo[:height, :width]) if height <= 400 and width <= 600 else None
    part = cv2.resize(photo, (width, height)) if part is None or part.shape[:2] != (height, width) else part
    small = shrink(part, SIDE)
    assert small.shape == (SIDE, SIDE, 3)
    assert 0 <= small.min() <= small.max() <= 1
    carried = carry(part, small, 0.7 * small)
    assert carried.shape == part.shape
    assert carried.dtype == np.uint8
    assert carried.mean() < part.mean()


def test_a_colour_at_either_end_stays_within_range(photo: np.ndarray) -> None:
    small = shrink(photo, SIDE)
    assert carry(photo, small, small + 2).min() == 255
    assert carry(photo, small, small - 2).max() == 0


@pytest.mark.parametrize(("large", "small"), [(100, 32), (32, 32), (5, 32), (4001, 32)])
def test_enlarging_keeps_what_is_even_and_what_is_straight(large: int, small: int) -> None:
    weights = spline_weights(large, small)
    assert weights.shape == (large, small)
    assert weights.min() >= 0
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-5)
    ramp = weights @ np.arange(small, dtype=np.float32)
    places = (np.arange(large) + 0.5) * small / large - 0.5
    inner = (places > 1) & (places < small - 2)
    assert np.allclose(ramp[inner], places[inner], atol=1e-3)


def test_pictures_that_do_not_fit_each_other_are_refused(photo: np.ndarray) -> None:
    with pytest.raises(ValueError, match="alike"):
        fit(shrink(photo, SIDE), np.zeros((16, 16, 3), np.float32))
