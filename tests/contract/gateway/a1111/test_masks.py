"""Masks of A1111's clients: the masked part alone, and what is under the mask."""

import json
from pathlib import Path

import numpy as np

from framesense.schemas.edits import (
    Preserve,
)
from tests.support.a1111_studio import (
    CAPABILITIES,
    CAT,
    MODEL,
    PHOTO,
    Studio,
    decoded,
    encoded,
    file,
    rectangle,
    running_studio,
)


def test_the_masked_part_alone_goes_to_the_model_and_back(studio: Studio) -> None:
    body = {
        "init_images": [CAT],
        "mask": encoded(file(rectangle(100, 150, 200, 240))),
        "prompt": "night",
        "mask_blur": 0,
        "inpainting_fill": 1,
        "inpaint_full_res": True,
        "inpaint_full_res_padding": 8,
    }
    sent = studio.sent("img2img", body)
    asked = sent.parameters
    assert (asked.preserve, asked.mask_blur, asked.width, asked.height) == (Preserve.MASK, 0, None, None)
    part = PHOTO[92:158, 187:253]
    assert np.array_equal(sent.photo(), part), "a square around it, as the picture asked for is one"
    assert sent.mask()[8:58, 13:53].min() == 255
    assert sent.mask().sum() == 255 * 50 * 40
    sent.started().paint(0, np.full_like(part, 7))
    answer = sent.finished()
    picture = decoded(answer["images"][0])
    expected = PHOTO.copy()
    expected[92:158, 187:253] = 7
    assert np.array_equal(picture, expected)
    info = json.loads(answer["info"])
    assert (info["width"], info["height"]) == (451, 300)
    assert studio.post("png-info", {"image": answer["images"][0]}).json()["info"] == info["infotexts"][0] != ""


def test_what_is_masked_is_filled_from_its_surroundings(studio: Studio) -> None:
    mask = rectangle(100, 150, 200, 240)
    body = {"init_images": [CAT], "mask": encoded(file(mask)), "prompt": "night", "inpaint_full_res": False}
    sent = studio.sent("img2img", {**body, "resize_mode": 1, "mask_blur_x": 3, "mask_blur_y": 3})
    filled = sent.photo()
    assert np.array_equal(filled[mask == 0], PHOTO[mask == 0])
    hole, around = filled[100:150, 200:240].astype(float), PHOTO[80:170, 180:260].astype(float)
    assert np.abs(np.diff(hole, axis=1)).mean() < np.abs(np.diff(around, axis=1)).mean() / 3, "smooth"
    assert (np.abs(hole.mean(axis=(0, 1)) - around.mean(axis=(0, 1))) < 40).all(), "of their colours"
    assert sent.parameters.mask_blur == 3
    assert np.array_equal(sent.mask(), mask)
    sent.started().paint(0, PHOTO)
    sent.finished()


def test_a_model_that_paints_nothing_new_is_given_no_hole(studio: Studio, tmp_path: Path) -> None:
    embedded = CAPABILITIES.model_copy(update={"model": MODEL.model_copy(update={"family": "pixel-diffusion"})})
    mask = encoded(file(rectangle(100, 150, 200, 240)))
    body = {"init_images": [CAT], "mask": mask, "prompt": "night", "inpaint_full_res": False, "resize_mode": 1}
    with running_studio(studio.gateway.settings.redis_url, tmp_path, embedded) as other:
        sent = other.sent("img2img", body)
        assert np.array_equal(sent.photo(), PHOTO)
        sent.started().paint(0, PHOTO)
        assert "starts from the photo" in json.loads(sent.finished()["info"])["notes"][0]


def test_an_inverted_mask_of_another_size_and_one_drawn_by_transparency(studio: Studio) -> None:
    whole = {"init_images": [CAT], "prompt": "night", "inpaint_full_res": False, "resize_mode": 1, "inpainting_fill": 1}
    small = np.zeros((30, 45), np.uint8)
    small[:, 20:] = 255
    sent = studio.sent("img2img", {**whole, "mask": encoded(file(small)), "inpainting_mask_invert": 1})
    assert sent.mask().shape == PHOTO.shape[:2]
    assert (sent.mask()[150, 10], sent.mask()[150, 440]) == (255, 0)
    sent.started().paint(0, PHOTO)
    sent.finished()

    drawn = np.zeros((*PHOTO.shape[:2], 4), np.uint8)
    drawn[:40, :40] = (9, 9, 9, 255)
    sent = studio.sent("img2img", {**whole, "mask": encoded(file(drawn))})
    assert sent.mask().sum() == 255 * 40 * 40
    sent.started().paint(0, PHOTO)
    sent.finished()
