"""Parameters, photos, masks and forms that are refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from framesense.schemas.edits import (
    EditorCapabilities,
    Task,
)
from tests.support.editor_api import CAT, ask, left_half, picture, png, refused, serving
from tests.support.paint_model import ABILITIES, Painter


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"prompt": ""}, "say in 'prompt'"),
        ({"prompt": "   "}, "say in 'prompt'"),
        ({"prompt": "a cat", "unconditional": True}, "one of the two"),
        ({"prompt": "", "unconditional": True, "preserve": "auto"}, "goes by the words"),
        ({"prompt": "a" * 10_000}, "2000"),
        ({"strength": 0}, "more than 0"),
        ({"strength": 1.01}, "at most 1"),
        ({"strength": 1e-9}, "changes nothing"),
        ({"steps": 0}, "at least 1"),
        ({"steps": 10_000}, "at most 150"),
        ({"guidance_scale": float("nan")}, "finite"),
        ({"guidance_scale": float("inf")}, "finite"),
        ({"guidance_scale": -1}, "at least 0"),
        ({"seed": -1}, "at least 0"),
        ({"seed": 2**32}, "at most"),
        ({"images": 17}, "at most 16"),
        ({"scheduler": "fastest"}, "'euler'"),
        ({"scheduler": "lcm"}, "ddim, euler"),
        ({"width": 7}, "at least 8"),
        ({"width": 100_000}, "at most"),
        ({"width": 8, "height": 8}, "8 × 5 pixels"),
        ({"task": "colourise"}, "'edit'"),
        ({"task": "generate"}, "takes no photo"),
        ({"preserve": "mask"}, "needs a mask"),
        ({"task": "denoise", "preserve": "auto"}, "restoration"),
        ({"task": "denoise", "images": 2}, "one image"),
        ({"task": "upscale_x2", "width": 100}, "follows from the photo"),
        ({"cfg": 7}, "no such parameter"),
    ],
)
def test_parameters_that_are_refused(client: TestClient, parameters: dict[str, Any], words: str) -> None:
    assert words in refused(ask(client, **parameters)).detail


def test_a_result_that_is_too_large_is_refused(client: TestClient) -> None:
    problem = refused(ask(client, width=4000, height=4000, fit="fill"), 413)
    assert problem.type.endswith("result-too-large") and "at most 4,000,000" in problem.detail


@pytest.mark.parametrize(
    ("image", "status"),
    [
        (b"", 422),
        (b"no picture at all", 415),
        (CAT[:5000], 422),
        (png(np.zeros((1, 1, 3))), 422),
        (png(np.zeros((1, 500, 3))), 422),
        (png(np.zeros((2, 20_000, 3))), 422),
        (png(np.zeros((10, 20_000, 3))), 413),
        (png(np.zeros((2000, 2000, 3))), 413),
        (b"x" * 2_000_001, 413),
    ],
)
def test_photos_that_are_refused(client: TestClient, image: bytes, status: int) -> None:
    refused(ask(client, image), status)
    assert picture(client).image.index == 0


def test_masks_that_are_refused(client: TestClient) -> None:
    assert "mask.png" in refused(ask(client, CAT, b"no picture at all"), 415).detail
    assert "upscale" in refused(ask(client, CAT, left_half(), task="upscale_x2")).detail.lower()


def test_forms_that_are_refused(client: TestClient) -> None:
    assert "'image'" in refused(ask(client, None)).detail
    refused(client.post("/edits", json={"prompt": "red"}), 415)
    assert "parameters" in refused(client.post("/edits", files=[("image", ("a.png", CAT))])).detail
    broken = [("parameters", (None, "{prompt}")), ("image", ("a.png", CAT))]
    assert "JSON" in refused(client.post("/edits", files=broken)).detail
    two = [("parameters", (None, '{"prompt": "red"}')), ("image", ("a.png", CAT)), ("image", ("b.png", CAT))]
    assert "one is taken" in refused(client.post("/edits", files=two)).detail
    refused(client.post("/edits", files=[*two, ("mask", ("m.png", CAT))]), 413)


def test_what_the_model_lacks_is_refused_with_what_it_has() -> None:
    abilities = replace(ABILITIES, tasks=frozenset({Task.EDIT}), relevance=False)
    with serving(Painter(abilities=abilities)) as client:
        detail = refused(ask(client, None, task="generate")).detail
        assert "cannot make a picture from words alone" in detail and "edit, denoise, upscale_x2" in detail
        assert "Send a mask" in refused(ask(client, preserve="auto")).detail
        found = EditorCapabilities.model_validate_json(client.get("/capabilities").content)
        assert found.tasks == ["edit", "denoise", "upscale_x2", "upscale_x4"]
        assert found.preserve == ["none", "mask"]
        assert [sampler.title for sampler in found.schedulers] == ["DDIM", "Euler"]
