"""Noise away and twice the size: better than doing nothing, and the same in tiles as at once."""

import cv2
import numpy as np
import pytest
import skimage.data
from skimage.metrics import peak_signal_noise_ratio

from editor.imaging import restoration
from editor.imaging.restoration import TILE, denoise, noise_level, plain_upscale, upscale
from editor.models.base import Cancelled
from framesense.media.images import RGB

PHOTOS = {"coffee": skimage.data.coffee, "cat": skimage.data.chelsea}


def ignore(done: int, total: int, picture: RGB) -> None:
    assert 1 <= done <= total


def noisy(photo: RGB, deviation: float) -> RGB:
    noise = np.random.default_rng(0).normal(0, deviation, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


def test_the_noise_level_is_about_what_was_added() -> None:
    photo = skimage.data.chelsea()
    clean, some, much = (noise_level(noisy(photo, level)) for level in (0, 10, 25))
    assert clean < 1.5
    # Grey is a weighted mean of three channels, whose noises are independent: 0.67 of one's.
    assert some == pytest.approx(0.67 * 10, rel=0.2)
    assert much == pytest.approx(0.67 * 25, rel=0.2)
    assert noise_level(np.zeros((2, 2, 3), np.uint8)) == 0


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("deviation", [10, 25])
def test_denoising_comes_nearer_to_the_clean_photo(name: str, deviation: float) -> None:
    photo = PHOTOS[name]()[:300, :400]
    before = noisy(photo, deviation)
    gain = peak_signal_noise_ratio(photo, denoise(before, 0.5, ignore)) - peak_signal_noise_ratio(photo, before)
    assert gain > 1


def test_more_strength_takes_more_away() -> None:
    before = noisy(skimage.data.coffee()[:200, :300], 15)
    levels = [noise_level(denoise(before, strength, ignore)) for strength in (0.1, 0.5, 1.0)]
    assert levels == sorted(levels, reverse=True)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("name", PHOTOS)
def test_upscaling_comes_nearer_to_the_large_photo_than_interpolation(name: str, factor: int) -> None:
    large = PHOTOS[name]()
    large = large[: len(large) // factor * factor, : large.shape[1] // factor * factor]
    small = cv2.resize(large, (large.shape[1] // factor, len(large) // factor), interpolation=cv2.INTER_AREA)
    bicubic = cv2.resize(small, (large.shape[1], large.shape[0]), interpolation=cv2.INTER_CUBIC)
    ours = upscale(small, factor, ignore)
    assert ours.shape == large.shape
    assert peak_signal_noise_ratio(large, ours) > peak_signal_noise_ratio(large, bicubic) + 0.1
    assert peak_signal_noise_ratio(large, ours) > peak_signal_noise_ratio(large, plain_upscale(small, factor)) + 0.1
    back = cv2.resize(ours, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(int) - small).mean() < 0.6, "shrunk again, it is the photo"


def test_tiles_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = noisy(skimage.data.coffee()[:260, :300], 10)
    at_once = denoise(photo, 0.5, ignore), upscale(photo, 2, ignore)
    assert max(photo.shape) < TILE
    monkeypatch.setattr(restoration, "TILE", 64)
    tiles: list[int] = []
    in_tiles = denoise(photo, 0.5, lambda done, total, _: tiles.append(total)), upscale(photo, 2, ignore)
    assert tiles == [5 * 5] * 25
    for whole, parts in zip(at_once, in_tiles, strict=True):
        assert np.abs(whole.astype(int) - parts).max() <= 1


def test_it_can_be_given_up_between_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoration, "TILE", 64)
    done: list[int] = []

    def give_up(index: int, total: int, picture: RGB) -> None:
        done.append(index)
        if index == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        upscale(skimage.data.coffee(), 2, give_up)
    assert done == [1, 2]
