"""Motion of a picture's places: which way, how fast, and where."""

import cv2
import numpy as np
import pytest

from worker.videos.motion import COLUMNS, LONGEST_GAP, ROWS, motion_between, resized

HEIGHT, WIDTH = 240, 360


def texture(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -2), (-4, 4)])
def test_speed_is_told_in_picture_heights_a_second(right: int, down: int) -> None:
    before = texture()
    after = np.roll(before, (down, right), axis=(0, 1))
    motion = motion_between(before, after, 0.1)
    assert motion.shape == (ROWS, COLUMNS, 2)
    middle = motion[3:-3, 3:-3].reshape(-1, 2)
    assert np.median(middle, axis=0) == pytest.approx([10 * right / HEIGHT, 10 * down / HEIGHT], abs=0.01)
    slower = motion_between(before, after, 0.2)
    assert slower == pytest.approx(motion / 2, abs=1e-5)


def test_a_large_picture_has_the_same_speed() -> None:
    before = texture(720, 1080)
    motion = motion_between(before, np.roll(before, 9, axis=1), 0.1)
    assert np.median(motion[3:-3, 3:-3, 0]) == pytest.approx(10 * 9 / 720, abs=0.02)


def test_what_moves_is_found_where_it_is() -> None:
    before = texture()
    after = before.copy()
    after[100:140, 203:243] = before[100:140, 200:240]
    speed = np.linalg.norm(motion_between(before, after, 0.1), axis=2)
    row, column = np.unravel_index(speed.argmax(), speed.shape)
    assert 100 <= (row + 0.5) * HEIGHT / ROWS <= 140 and 200 <= (column + 0.5) * WIDTH / COLUMNS <= 243


def test_frames_far_apart_tell_nothing() -> None:
    assert not motion_between(texture(), np.roll(texture(), 3, axis=1), LONGEST_GAP + 0.1).any()


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (9, 9)])
def test_the_smallest_pictures_are_looked_at_too(size: tuple[int, int]) -> None:
    picture = np.zeros((*size, 3), dtype=np.uint8)
    assert np.isfinite(motion_between(picture, picture, 0.1)).all()


def test_another_grid_has_the_same_average() -> None:
    motion = np.random.default_rng(0).normal(size=(ROWS, COLUMNS, 2)).astype(np.float32)
    assert resized(motion, ROWS, COLUMNS) is motion
    assert resized(motion, 2, 3).shape == (2, 3, 2)
    assert resized(motion, 1, 1)[0, 0] == pytest.approx(motion.mean(axis=(0, 1)), abs=1e-5)
