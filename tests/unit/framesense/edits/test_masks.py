"""Masks as people's programs write them: JPEG, PNG, a pen on a transparent ground, and black all over."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from framesense.edits.masks import read_mask
from framesense.edits.rules import check_mask
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.media.images import ImageLimits

LIMITS = ImageLimits(10**7, 10**7)


def file(pixels: Any, kind: str = "PNG", **options: Any) -> Upload:
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(stream, kind, **options)
    return Upload(stream.getvalue(), "mask", None)


def circle() -> Any:
    return cv2.circle(np.zeros((200, 300), np.uint8), (150, 100), 60, 255, -1)


def test_white_is_one_black_is_nought_grey_between() -> None:
    mask = read_mask(file([[0, 255] * 10, [128, 64] * 10] * 10), LIMITS)
    assert mask.dtype == np.float32
    np.testing.assert_allclose(mask[0, :2], [0, 1])
    np.testing.assert_allclose(mask[1, :2], [0.5, 0.25], atol=0.02)


def test_a_jpegs_noise_is_no_mask() -> None:
    mask = read_mask(file(circle(), "JPEG", quality=90), LIMITS)
    away = cv2.dilate(circle(), np.ones((17, 17))) == 0
    inside = cv2.erode(circle(), np.ones((17, 17))) == 255
    assert mask[away].max() == 0 and mask[inside].min() == 1


@pytest.mark.parametrize("pen", [0, 90, 255])
def test_a_drawing_on_a_transparent_ground(pen: int) -> None:
    drawing = np.dstack([np.full((200, 300, 3), pen, np.uint8), circle()])
    mask = read_mask(file(drawing), LIMITS)
    assert ((mask > 0) == (circle() > 0)).all()
    assert mask.max() == pytest.approx(1 if pen in (0, 255) else 90 / 255, abs=0.05)


@pytest.mark.parametrize(
    ("pixels", "empty"),
    [
        (np.zeros((20, 20)), True),
        (np.full((20, 20), 7), True),
        (np.full((20, 20), 8), False),
        (np.zeros((20, 20, 4)), True),
        (np.full((20, 20, 3), (0, 0, 60)), True),  # a blue that is hardly brighter than black
        (np.full((20, 20, 4), (0, 0, 0, 255)), True),
        (np.pad(np.full((4, 4), 255), 8), False),
    ],
)
def test_a_mask_that_lets_nothing_change_is_refused(pixels: Any, empty: bool) -> None:
    weights = read_mask(file(pixels), LIMITS)
    if not empty:
        check_mask(weights)
        return
    with pytest.raises(ProblemError, match="nothing would change") as refused:
        check_mask(weights)
    assert (refused.value.status, refused.value.slug) == (422, "empty-mask")
