"""How much an edit changed: against scikit-image's SSIM, and where the answer is known."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity

from editor.imaging.change import MAP_SIDE, change_map, difference, measure, ssim_map
from framesense.media.images import RGB


@pytest.fixture(scope="module")
def photo() -> RGB:
    return np.asarray(skimage.data.coffee())  # 600 × 400


def noisy(photo: RGB, deviation: float) -> RGB:
    noise = np.random.default_rng(0).normal(0, deviation, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("deviation", [0, 5, 40])
def test_ssim_is_scikit_images(photo: RGB, deviation: float) -> None:
    grey = [np.round(np.asarray(Image.fromarray(p).convert("L"), float)) for p in (photo, noisy(photo, deviation))]
    _, expected = structural_similarity(
        *grey, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    ours = ssim_map(*[np.dstack([g] * 3).astype(np.uint8) for g in grey])
    np.testing.assert_allclose(ours, expected, atol=1e-4)
    assert rgb2gray(photo).shape == ours.shape


def test_without_a_region_all_of_it_was_to_change(photo: RGB) -> None:
    darker = (photo * 0.5).astype(np.uint8)
    change = measure(photo, darker, None)
    expected = np.abs(photo.astype(float) - darker).mean() / 255
    assert change.inside == pytest.approx(expected, rel=1e-6)
    assert (change.outside, change.region, change.ssim_outside) == (0, 1, None)


def test_inside_and_outside_of_a_region(photo: RGB) -> None:
    weights = np.zeros(photo.shape[:2], np.float32)
    weights[:, :150], weights[:, 150:200] = 1, 0.5
    after = photo.copy()
    after[:, :200] = 255 - after[:, :200]
    change = measure(photo, after, weights)
    apart = np.abs(photo.astype(float) - after).mean(axis=2) / 255
    assert change.inside == pytest.approx((apart * weights).sum() / weights.sum(), rel=1e-5)
    assert change.outside == 0
    assert change.region == pytest.approx(175 / 600, rel=1e-5)
    assert change.ssim_outside is not None and 0.97 < change.ssim_outside < 1
    both = measure(photo, noisy(photo, 30), weights)
    assert both.outside == pytest.approx(both.inside, rel=0.1)
    assert both.ssim_outside is not None and both.ssim_outside < 0.8


def test_a_region_of_everything_and_of_nothing(photo: RGB) -> None:
    after = noisy(photo, 20)
    everything = measure(photo, after, np.ones(photo.shape[:2], np.float32))
    assert (everything.outside, everything.ssim_outside) == (0, None)
    nothing = measure(photo, photo, np.zeros(photo.shape[:2], np.float32))
    assert (nothing.inside, nothing.outside, nothing.region, nothing.ssim_outside) == (0, 0, 0, 1)


def test_a_large_photo_is_measured_too(photo: RGB) -> None:
    large = np.tile(photo, (6, 5, 1))  # 3000 × 2400
    weights = np.zeros(large.shape[:2], np.float32)
    weights[:1000] = 1
    after = large.copy()
    after[:1000] //= 2
    change = measure(large, after, weights)
    assert change.outside == 0 and change.inside > 0.1
    assert change.ssim_outside == pytest.approx(1, abs=0.01)
    assert Image.open(io.BytesIO(change_map(large, after))).size == (MAP_SIDE, round(MAP_SIDE * 2400 / 3000))


def test_the_map_is_white_where_it_changed_most(photo: RGB) -> None:
    after = photo.copy()
    after[100:200, 100:200] ^= 0xFF
    map_ = np.asarray(Image.open(io.BytesIO(change_map(photo, after))))
    assert map_.shape == photo.shape[:2]
    assert map_[100:200, 100:200].mean() > 100 and map_[:100].max() == 0


def test_a_change_of_next_to_nothing_is_dark(photo: RGB) -> None:
    after = np.clip(photo.astype(int) + 1, 0, 255).astype(np.uint8)
    assert np.asarray(Image.open(io.BytesIO(change_map(photo, after)))).max() < 16
    assert np.asarray(Image.open(io.BytesIO(change_map(photo, photo)))).max() == 0
    assert difference(photo, after).max() == 1
