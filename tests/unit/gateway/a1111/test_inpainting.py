"""The geometry of masks: the box around one, and what its hole is filled with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.a1111.inpainting import Box, fill_from_surroundings, masked_box
from gateway.a1111.pictures import resized


@given(
    data=st.data(),
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    margin=st.integers(0, 20),
    aspect=st.floats(0.2, 5),
)
def test_the_box_holds_the_mask_and_lies_in_the_picture(
    data: st.DataObject, width: int, height: int, margin: int, aspect: float
) -> None:
    mask = np.zeros((height, width), np.uint8)
    for _ in range(data.draw(st.integers(1, 4))):
        mask[data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))] = 255
    box = masked_box(mask, margin=margin, aspect=aspect)
    assert box is not None
    assert 0 <= box.left < box.right <= width
    assert 0 <= box.top < box.bottom <= height
    assert box.cut(mask).sum() == mask.sum()
    rows, columns = np.nonzero(mask)
    assert box.top <= max(0, rows.min() - margin)
    assert box.bottom >= min(height, rows.max() + 1 + margin)
    assert box.left <= max(0, columns.min() - margin)
    assert box.right >= min(width, columns.max() + 1 + margin)


def test_a_small_box_gets_the_proportions_asked_for() -> None:
    mask = np.zeros((100, 200), np.uint8)
    mask[40:50, 190:200] = 255
    assert masked_box(mask, margin=0, aspect=2) == Box(180, 40, 200, 50)
    assert masked_box(mask, margin=0, aspect=1, least_side=64) == Box(136, 13, 200, 77)
    assert masked_box(mask, margin=0, aspect=1, least_side=500) == Box(0, 0, 200, 100)
    assert masked_box(np.zeros((5, 5), np.uint8), margin=3, aspect=1) is None


def test_a_part_goes_back_where_it_was_taken() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    box = Box(3, 4, 17, 19)
    assert np.array_equal(box.paste(box.cut(photo), photo), photo)
    pasted = box.paste(np.zeros((7, 7, 3), np.uint8), photo)
    assert not box.cut(pasted).any()
    assert np.array_equal(pasted[:4], photo[:4])


@pytest.mark.parametrize("size", [(17, 33), (1500, 40)])
def test_a_hole_takes_the_colour_around_it(size: tuple[int, int]) -> None:
    photo = np.full((*size, 3), (200, 100, 50), np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[5:12, 10:20] = 255
    holed = np.where(mask[..., None] > 0, np.uint8(0), photo)
    assert np.abs(fill_from_surroundings(holed, mask).astype(int) - photo).max() <= 1
    everything = np.full(size, 255, np.uint8)
    assert np.array_equal(fill_from_surroundings(photo, everything), photo)
    assert resized(photo, 9, 5).shape == (5, 9, 3)
