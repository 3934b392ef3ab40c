"""Edits by tiny models in this process, with a photo of 64 × 48 pixels and few steps."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage import data

from editor.models.base import Edited, LoadedModel, ModelRequest
from editor.models.factory import load_model
from editor.settings import EditorSettings
from framesense.schemas.edits import Task

WIDTH, HEIGHT = 64, 48
PHOTO = cv2.resize(data.astronaut(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8)


def load(folder: Path, **changes: Any) -> LoadedModel:
    return load_model(settings(folder, **changes))


def settings(folder: Path, **changes: Any) -> EditorSettings:
    given = {"editor_model": f"path:{folder}", "editor_device": "cpu", "editor_dtype": "float32"}
    return EditorSettings(**(given | changes))


def request(loaded: LoadedModel, **changes: Any) -> ModelRequest:
    """With the model's own defaults, over the photo."""
    abilities = loaded.model.abilities
    asked = ModelRequest(
        task=Task.EDIT,
        prompt="a cat at night",
        negative_prompt="",
        strength=0.5,
        steps=min(abilities.default_steps, 6),
        guidance_scale=abilities.default_guidance_scale,
        scheduler=abilities.default_scheduler,
        seeds=(3,),
        width=WIDTH,
        height=HEIGHT,
        photo=PHOTO,
        mask=np.ones((HEIGHT, WIDTH), np.float32) if abilities.needs_mask else None,
    )
    return replace(asked, **changes)


def edit(loaded: LoadedModel, **changes: Any) -> np.ndarray[Any, Any]:
    return edited(loaded, **changes).pictures[0]


def edited(loaded: LoadedModel, **changes: Any) -> Edited:
    return loaded.model.edit(request(loaded, **changes), lambda step: None)


def difference(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def truncate_weights(folder: Path) -> None:
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    os.truncate(weights, weights.stat().st_size - 100)
