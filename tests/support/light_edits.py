"""Requests for a change of a photo's light, and what is measured of the answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from editor.models.base import ModelRequest
from framesense.schemas.edits import SchedulerName, Task


def request_for(photo: np.ndarray, prompt: str = "at night", **changes: object) -> ModelRequest:
    request = ModelRequest(
        task=Task.EDIT,
        prompt=prompt,
        negative_prompt="",
        strength=0.5,
        steps=8,
        guidance_scale=4.0,
        scheduler=SchedulerName.DPMPP_2M,
        seeds=(1,),
        width=photo.shape[1],
        height=photo.shape[0],
        photo=photo,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def brightness(picture: np.ndarray) -> float:
    return float(picture.mean())


def warmth(picture: np.ndarray) -> float:
    return float(picture[..., 0].mean() - picture[..., 2].mean())
