"""Restorations: by the model where it can, else classically."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from framesense.media.images import RGB
from framesense.schemas.edits import (
    ImageEvent,
    Task,
)
from tests.support.editor_api import CAT_PIXELS, WIDTH, ask, events, left_half, picture, pixels, png, serving
from tests.support.paint_model import ABILITIES, Painter


def test_denoising_takes_noise_away_and_is_named(client: TestClient, painter: Painter) -> None:
    noise = np.random.default_rng(0).normal(0, 15, CAT_PIXELS.shape)
    noisy = np.clip(CAT_PIXELS + noise, 0, 255).astype(np.uint8)
    made = picture(client, png(noisy), task="denoise", prompt="")
    assert _error(pixels(made)) < 0.5 * _error(noisy)
    assert made.image.method.startswith("non-local means")
    assert not painter.requests
    kept = picture(client, png(noisy), left_half(), task="denoise", prompt="", mask_blur=0)
    assert (pixels(kept)[:, WIDTH // 2 :] == noisy[:, WIDTH // 2 :]).all()


@pytest.mark.parametrize(("task", "factor"), [("upscale_x2", 2), ("upscale_x4", 4)])
def test_upscaling(client: TestClient, task: str, factor: int) -> None:
    small = cv2.resize(CAT_PIXELS, None, fx=1 / 4, fy=1 / 4, interpolation=cv2.INTER_AREA)
    *steps, last = events(ask(client, png(small), task=task, prompt=""))
    assert steps and isinstance(last, ImageEvent)
    assert pixels(last).shape == (factor * small.shape[0], factor * small.shape[1], 3)
    assert "back-projection" in last.image.method
    assert last.image.change is not None and 0 < last.image.change.inside < 0.05


def test_a_model_that_enlarges_does_it_itself() -> None:
    abilities = replace(ABILITIES, tasks=frozenset({Task.EDIT, Task.UPSCALE_X2}))
    painter = Painter(abilities=abilities)
    with serving(painter) as client:
        small = png(cv2.resize(CAT_PIXELS, (50, 40)))
        made = picture(client, small, task="upscale_x2", prompt="", strength=0.1, seed=1)
        assert made.image.method == "painting" and pixels(made).shape == (80, 100, 3)
        assert made.image.parameters.steps == 10
        assert painter.requests[0].task is Task.UPSCALE_X2
        assert "back-projection" in picture(client, small, task="upscale_x4", prompt="").image.method
        assert len(painter.requests) == 1


def _error(found: RGB) -> float:
    return float(((found.astype(float) - CAT_PIXELS) ** 2).mean())
