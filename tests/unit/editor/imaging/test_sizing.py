"""Where a photo comes to lie in a result of another size, and what its model is given of it."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from editor.imaging.sizing import Placement, model_size, resize, resize_mask, thumbnail
from framesense.media.images import RGB
from framesense.schemas.edits import Fit

SIDES = st.integers(8, 3000)


@pytest.fixture(scope="module")
def photo() -> RGB:
    return np.asarray(skimage.data.coffee())  # 600 × 400


def test_without_a_size_the_photo_is_left_alone(photo: RGB) -> None:
    placement = Placement.of((600, 400), None, None, Fit.CROP)
    assert not placement.changes_size
    assert placement.picture(photo) is photo


@pytest.mark.parametrize("fit", Fit)
def test_the_other_side_follows_the_proportions(fit: Fit) -> None:
    assert Placement.of((600, 400), 300, None, fit).height == 200
    assert Placement.of((600, 400), None, 100, fit).width == 150


@given(width=SIDES, height=SIDES, photo_width=SIDES, photo_height=SIDES)
def test_fit_lies_within_and_keeps_the_proportions(
    width: int, height: int, photo_width: int, photo_height: int
) -> None:
    placement = Placement.of((photo_width, photo_height), width, height, Fit.FIT)
    assert placement.width <= width and placement.height <= height
    assert placement.width == width or placement.height == height
    exact = min(width / photo_width, height / photo_height)
    assert abs(placement.width - max(1, photo_width * exact)) <= 1
    assert abs(placement.height - max(1, photo_height * exact)) <= 1


@given(width=SIDES, height=SIDES, photo_width=SIDES, photo_height=SIDES)
def test_crop_uses_the_middle_and_does_not_stretch(
    width: int, height: int, photo_width: int, photo_height: int
) -> None:
    placement = Placement.of((photo_width, photo_height), width, height, Fit.CROP)
    left, top, right, bottom = placement.source
    assert (placement.width, placement.height) == (width, height)
    assert left >= 0 and top >= 0 and right <= photo_width + 1e-6 and bottom <= photo_height + 1e-6
    assert left == pytest.approx(photo_width - right, abs=1e-6)
    assert top == pytest.approx(photo_height - bottom, abs=1e-6)
    assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=1e-6)


def test_fill_shows_the_whole_photo_within_its_own_blurred_colours(photo: RGB) -> None:
    placement = Placement.of((600, 400), 300, 300, Fit.FILL)
    filled = placement.picture(photo)
    assert filled.shape == (300, 300, 3)
    assert (filled[50:250] == Placement.of((600, 400), 300, 200, Fit.FIT).picture(photo)).all()
    for edge in (filled[:50], filled[250:]):
        assert edge.std() > 1, "not of one colour"
        assert np.abs(np.diff(edge.astype(int), axis=1)).mean() < 1.5, "blurred"
    assert abs(filled[:50].mean() - photo[:100].mean()) < 40


def test_a_mask_lies_as_the_photo_does() -> None:
    mask = np.zeros((400, 600), np.float32)
    mask[:, :300] = 1
    cropped = Placement.of((600, 400), 100, 100, Fit.CROP).mask(mask)
    assert cropped.shape == (100, 100)
    assert cropped[:, :49].min() == 1 and cropped[:, 51:].max() == 0
    filled = Placement.of((600, 400), 300, 300, Fit.FILL).mask(np.ones_like(mask))
    assert filled[:50].max() == filled[250:].max() == 0
    assert filled[50:250].min() == 1


@given(width=st.integers(1, 12_000), height=st.integers(1, 12_000), multiple=st.sampled_from([1, 8, 64]))
def test_the_models_size_has_its_area_and_its_multiple(width: int, height: int, multiple: int) -> None:
    found_width, found_height = model_size(width, height, 512, multiple)
    assert found_width % multiple == found_height % multiple == 0
    assert 0.75 < found_width * found_height / 512**2 < 1.3
    aspect = min(3, max(1 / 3, width / height))
    assert found_width / found_height == pytest.approx(aspect, rel=0.25)


def test_resizing_to_the_same_size_is_nothing(photo: RGB) -> None:
    assert resize(photo, 600, 400) is photo
    mask = np.ones((4, 6), np.float32)
    assert resize_mask(mask, 6, 4) is mask
    assert thumbnail(photo, 600) is photo


def test_there_and_back_is_the_photo_but_for_detail(photo: RGB) -> None:
    back = resize(resize(photo, 900, 600), 600, 400)
    assert np.abs(back.astype(int) - photo).mean() < 2
    assert thumbnail(photo, 60).shape == (40, 60, 3)
    assert thumbnail(photo[..., 0], 60).shape == (40, 60)
