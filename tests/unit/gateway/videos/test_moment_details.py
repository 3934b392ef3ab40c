"""Where in the picture a moment is, and which picture of it is sharp."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from gateway.videos.moment_details import box_of, sharpness


def test_a_box_holds_the_patches_that_hang_together_with_the_oddest() -> None:
    distances = np.full((10, 20), 0.3, dtype=np.float32)
    distances[2:4, 5:9] = 1.2
    distances[2, 5] = 1.5
    distances[9, 19] = 1.1  # odd too, but elsewhere
    box = box_of(distances)
    assert box is not None
    assert (box.x, box.y, box.width, box.height) == pytest.approx((0.25, 0.2, 0.2, 0.2))


def test_nothing_odd_has_no_box() -> None:
    assert box_of(np.full((10, 20), 0.7, dtype=np.float32)) is None


def test_a_change_of_the_whole_picture_has_no_box() -> None:
    distances = np.zeros((10, 10), dtype=np.float32)
    distances[:5, :] = distances[:, :5] = 1
    distances[0, 0] = 3
    distances[9, 9] = 1.6
    wide = np.where(distances > 0, 2, 0).astype(np.float32)
    wide[6:, 6:] = 0
    assert box_of(wide) is None


def test_blur_is_less_sharp() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))
    jpegs = []
    for picture in (noise, noise.filter(ImageFilter.GaussianBlur(3))):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=95)
        jpegs.append(buffer.getvalue())
    assert sharpness(jpegs[0]) > 10 * sharpness(jpegs[1])
    with pytest.raises(OSError, match="identify"):
        sharpness(b"no picture")
