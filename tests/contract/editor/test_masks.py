"""Masks, and what preserve keeps."""

import base64
import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from framesense.schemas.edits import (
    Preserve,
)
from tests.support.editor_api import (
    CAT,
    CAT_PIXELS,
    HEIGHT,
    WIDTH,
    ask,
    left_half,
    picture,
    pixels,
    png,
    read,
    refused,
)
from tests.support.icc import DISPLAY_P3, rgb_profile, srgb_to_linear, xyz_to_srgb
from tests.support.paint_model import Painter


def test_outside_the_mask_the_photos_own_bytes_stay(client: TestClient, painter: Painter) -> None:
    made = picture(client, CAT, left_half(), strength=1, mask_blur=0)
    half = WIDTH // 2
    assert (pixels(made)[:, half:] == CAT_PIXELS[:, half:]).all()
    assert (pixels(made)[:, :half, 0] > 150).mean() > 0.99
    change = made.image.change
    assert change is not None and change.ssim_outside is not None
    assert (change.outside, round(change.region, 2)) == (0, 0.5)
    assert change.inside > 0.2 and change.ssim_outside == pytest.approx(1, abs=0.02)
    assert (read(made.mask) == read(base64.b64encode(left_half()).decode())).all()
    assert made.image.parameters.preserve is Preserve.MASK
    mask = painter.requests[0].mask
    assert mask is not None and mask.shape == (painter.requests[0].height, painter.requests[0].width)


def test_outside_the_mask_a_photo_in_display_p3_looks_the_same_in_a_colour_managed_viewer(client: TestClient) -> None:
    """The answer has no profile, which viewers take as sRGB; so its colours are the photo's, converted."""
    stream = io.BytesIO()
    Image.fromarray(CAT_PIXELS).save(stream, "PNG", icc_profile=rgb_profile(DISPLAY_P3))
    made = picture(client, stream.getvalue(), left_half(), strength=1, mask_blur=0)
    assert "icc_profile" not in Image.open(io.BytesIO(base64.b64decode(made.png))).info
    half = WIDTH // 2
    seen = xyz_to_srgb(srgb_to_linear(CAT_PIXELS[:, half:] / 255) @ DISPLAY_P3.T).astype(int)
    assert np.abs(pixels(made)[:, half:] - seen).max() <= 3
    assert np.abs(seen - CAT_PIXELS[:, half:]).max() > 10


def test_a_feathered_mask_ends_and_beyond_it_the_bytes_stay(client: TestClient) -> None:
    edge = pixels(picture(client, CAT, left_half(), strength=1, mask_blur=5)).astype(int)
    half = WIDTH // 2
    assert (edge[:, half + 20 :] == CAT_PIXELS[:, half + 20 :]).all()
    assert (edge[:, half + 3] != CAT_PIXELS[:, half + 3]).any()


def test_a_mask_of_another_size_is_resized_and_said_so(client: TestClient) -> None:
    made = picture(client, CAT, left_half(60, 40), mask_blur=0)
    assert any("60 × 40" in note and f"{WIDTH} × {HEIGHT}" in note for note in made.image.notes)
    assert (pixels(made)[:, WIDTH // 2 + 10 :] == CAT_PIXELS[:, WIDTH // 2 + 10 :]).all()


def test_a_mask_drawn_on_a_transparent_ground(client: TestClient) -> None:
    for pen in (0, 255):
        drawing = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        drawing[:, : WIDTH // 2] = (pen, pen, pen, 255)
        made = picture(client, CAT, png(drawing), mask_blur=0)
        assert made.image.change is not None and made.image.change.region == pytest.approx(0.5, abs=0.01)


def test_an_empty_mask_leaves_nothing_to_edit(client: TestClient) -> None:
    problem = refused(ask(client, CAT, png(np.zeros((HEIGHT, WIDTH)))))
    assert problem.type.endswith("empty-mask") and "black all over" in problem.detail
    corner = np.zeros((HEIGHT, WIDTH), np.uint8)
    corner[:, :4] = 255
    cut_off = refused(ask(client, CAT, png(corner), width=50, height=100, fit="crop"))
    assert cut_off.type.endswith("empty-mask") and "cut off" in cut_off.detail


def test_masks_go_where_the_photo_goes(client: TestClient) -> None:
    filled = picture(client, CAT, png(np.full((HEIGHT, WIDTH), 255)), width=200, height=200, fit="fill", mask_blur=0)
    mask = read(filled.mask)
    assert mask[:30].max() == 0 and mask[100].min() == 255
    cropped = picture(client, CAT, left_half(), width=200, height=200, fit="crop", mask_blur=0)
    assert read(cropped.mask)[:, :95].min() == 255 and read(cropped.mask)[:, 105:].max() == 0


def test_with_preserve_none_the_mask_only_counts(client: TestClient) -> None:
    made = picture(client, CAT, left_half(), preserve="none", strength=1)
    change = made.image.change
    assert change is not None and change.outside > 0.2 and change.ssim_outside is not None
    assert change.ssim_outside < 0.9
    assert any("only says" in note for note in made.image.notes)


def test_auto_changes_where_the_words_apply(client: TestClient) -> None:
    made = picture(client, preserve="auto", strength=1, mask_blur=2)
    assert (pixels(made)[:, WIDTH // 2 :] == CAT_PIXELS[:, WIDTH // 2 :]).all()
    assert made.image.change is not None and made.image.change.region == pytest.approx(1 / 3, abs=0.05)
    assert made.image.change.outside == 0
    both = picture(client, CAT, png(np.tri(HEIGHT, WIDTH) * 255), preserve="auto", strength=1, mask_blur=2)
    assert both.image.change is not None
    assert 0 < both.image.change.region < made.image.change.region
