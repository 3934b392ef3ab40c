"""Families behind the editor's HTTP API."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi.testclient import TestClient
from PIL import Image
from skimage import data

from editor.app import create_app
from editor.models.base import LoadedModel
from tests.support.tiny_edits import (
    settings,
    truncate_weights,
)
from tests.support.waiting import wait_until_ready, wait_while_loading


def post(client: TestClient, photo: np.ndarray[Any, Any] | None = None, **parameters: object) -> httpx.Response:
    stream = io.BytesIO()
    Image.fromarray(data.chelsea() if photo is None else photo).save(stream, "JPEG")
    form = {"parameters": json.dumps({"prompt": "a cat at night", "seed": 3} | parameters)}
    return client.post("/edits", data=form, files={"image": ("cat.jpg", stream.getvalue(), "image/jpeg")})


def test_a_turbo_model_through_the_service(folders: Callable[[str], Path]) -> None:
    with TestClient(create_app(settings(folders("stable-diffusion-xl-turbo")))) as client:
        wait_until_ready(client)
        abilities = client.get("/capabilities").json()
        assert (abilities["default_steps"], abilities["default_guidance_scale"]) == (4, 0)
        assert abilities["default_scheduler"] == "euler_a"
        assert "Turbo" in abilities["note"]
        answer = post(client)
        assert answer.status_code == 200, answer.text
        *steps, last = [json.loads(line) for line in answer.text.splitlines() if line]
        assert [(step["step"], step["steps"]) for step in steps] == [(1, 2), (2, 2)]
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(last["png"]))))
        assert picture.shape == data.chelsea().shape
        assert last["image"]["parameters"]["steps"] == 4
        refused = post(client, scheduler="ddim")
        assert refused.status_code == 422
        assert "distilled to take a few steps of Euler" in refused.json()["detail"]


def test_an_upscaler_through_the_service(upscaler: LoadedModel, copy: Path) -> None:
    with TestClient(create_app(settings(copy), load=lambda chosen: upscaler)) as client:
        wait_until_ready(client)
        answer = post(client, data.chelsea()[:20, :30], task="upscale_x4", prompt="", steps=1, strength=1.0)
        assert answer.status_code == 200, answer.text
        *steps, last = [json.loads(line) for line in answer.text.splitlines() if line]
        assert [(step["step"], step["steps"]) for step in steps] == [(1, 1)]
        assert (last["image"]["width"], last["image"]["height"]) == (120, 80)
        assert last["image"]["method"] == "Stable Diffusion ×4 upscaler"
        refused = post(client)
        assert refused.status_code == 422
        assert "cannot edit a photo by words" in refused.json()["detail"]


def test_the_service_tells_why_its_model_cannot_be_loaded(copy: Path) -> None:
    truncate_weights(copy)
    with TestClient(create_app(settings(copy))) as client:
        answer = wait_while_loading(client)
        assert answer.status_code == 503
        assert "is cut short" in answer.text
        assert post(client).status_code == 503
