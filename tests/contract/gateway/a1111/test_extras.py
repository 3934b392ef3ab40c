"""Pictures enlarged for A1111's clients."""

from typing import Any

import numpy as np
import pytest

from framesense.schemas.edits import (
    Task,
)
from framesense.schemas.jobs import JobKind
from tests.support.a1111_studio import CAT, PHOTO, SQUARE, Studio, decoded, refused


def test_enlarging_by_the_editor(studio: Studio) -> None:
    body = {"image": SQUARE, "upscaler_1": "Framesense", "upscaling_resize": 2}
    sent = studio.sent("extra-single-image", body).started()
    assert (sent.parameters.task, sent.parameters.width) == (Task.UPSCALE_X2, None)
    sent.paint(0, np.zeros((512, 512, 3)))
    answer = sent.finished()
    assert decoded(answer["image"]).shape == (512, 512, 3)
    assert "Framesense" in answer["html_info"]

    sent = studio.sent("extra-single-image", {**body, "upscaling_resize": 3}).started()
    assert sent.parameters.task is Task.UPSCALE_X4
    sent.paint(0, np.zeros((1024, 1024, 3)))
    assert decoded(sent.finished()["image"]).shape == (768, 768, 3)


def test_enlarging_several(studio: Studio) -> None:
    pictures = [{"data": SQUARE, "name": "a.png"}, {"data": CAT, "name": "b.png"}]
    body = {"imageList": pictures, "upscaler_1": "Framesense", "upscaling_resize": 2}
    sent = studio.sent("extra-batch-images", body).started()
    assert sent.job.kind is JobKind.EDIT_SERIES
    sent.paint(0, np.zeros((512, 512, 3)))
    sent.paint(1, np.ones((600, 902, 3)))
    assert [decoded(image).shape for image in sent.finished()["images"]] == [(512, 512, 3), (600, 902, 3)]


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"upscaler_1": "Lanczos"}, (600, 902, 3)),
        ({"upscaler_1": "nearest", "upscaling_resize": 1.5}, (450, 676, 3)),
        ({"upscaler_1": "None"}, (300, 451, 3)),
        (
            {"upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 600, "upscaling_resize_h": 600},
            (600, 600, 3),
        ),
        (
            {
                "upscaler_1": "Lanczos",
                "resize_mode": 1,
                "upscaling_resize_w": 600,
                "upscaling_resize_h": 600,
                "upscaling_crop": False,
            },
            (600, 902, 3),
        ),
    ],
)
def test_enlarging_without_a_model(studio: Studio, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    answer = studio.post("extra-single-image", {"image": CAT, **options})
    assert answer.status_code == 200, answer.text
    picture = decoded(answer.json()["image"])
    assert picture.shape == shape
    assert abs(picture.mean() - PHOTO.mean()) < 20
    assert studio.jobs() == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"image": CAT, "upscaler_1": "R-ESRGAN 4x+"}, 404, "There are None, Lanczos, Nearest, Framesense"),
        ({"image": CAT, "upscaler_1": "Lanczos", "upscaling_resize": 9}, 422, "4 times is the most"),
        ({"image": CAT, "upscaler_1": "Lanczos", "upscaling_resize": 0}, 422, "upscaling_resize"),
        ({"image": CAT, "gfpgan_visibility": 1}, 422, "face"),
        ({"image": CAT, "upscaler_2": "Lanczos", "extras_upscaler_2_visibility": 0.5}, 422, "upscaler_2"),
        ({"image": ""}, 422, "empty"),
        ({"image": "?"}, 422, "base64"),
    ],
)
def test_enlarging_what_cannot_be(studio: Studio, body: Any, status: int, words: str) -> None:
    assert words in refused(studio.post("extra-single-image", body), status).detail
    assert "pictures" in refused(studio.post("extra-batch-images", {"imageList": []}), 422).detail
