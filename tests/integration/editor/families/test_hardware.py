"""Little memory, compiled networks and bfloat16."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from editor.models.base import LoadedModel
from editor.models.hardware import is_memory_short, lay_out
from editor.models.latent import LatentDiffusion
from tests.support import tiny_diffusion as diffusion
from tests.support.tiny_edits import (
    difference,
    edit,
    load,
    request,
)


def test_little_memory(folders: Callable[[str], Path], models: Callable[[str], LoadedModel]) -> None:
    sparing = load(folders("stable-diffusion"), editor_low_memory="on")
    assert isinstance(sparing.model, LatentDiffusion)
    vae = sparing.model._components.parts["vae"]
    assert vae.use_tiling
    assert vae.use_slicing
    assert difference(edit(sparing), edit(models("stable-diffusion"))) < 1
    parts = sparing.model._components.parts
    assert is_memory_short(parts, torch.device("cpu"), "on")
    assert not is_memory_short(parts, torch.device("cpu"), "off")


def test_compiling_is_set_up_for_every_network(folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up only: compiling even these takes minutes. ``python -m benchmarks --only edits`` does it on a GPU."""
    monkeypatch.setenv("CC", sys.executable)  # any program will do, as none is called
    loaded = load(folders("stable-diffusion"))
    assert isinstance(loaded.model, LatentDiffusion)
    parts = loaded.model._components.parts
    lay_out(parts, torch.device("cpu"), low_memory="off", compiled=True)
    assert parts["unet"]._compiled_call_impl is not None
    assert parts["vae"].decoder._compiled_call_impl is not None
    compiled = load(folders("stable-diffusion"), editor_compile=True)
    assert compiled.model.abilities.multiple_of == 64


def test_compiling_without_a_compiler_is_told(folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ValueError, match="needs a C compiler"):
        load(folders("stable-diffusion"), editor_compile=True)


def test_bfloat16(folders: Callable[[str], Path], models: Callable[[str], LoadedModel]) -> None:
    half = load(folders("stable-diffusion-xl"), editor_dtype="bfloat16")
    assert half.info.dtype == "bfloat16"
    assert difference(edit(half), edit(models("stable-diffusion-xl"))) < 4
    assert half.model.relevance(request(half), lambda: None) is not None
    assert half.model.abilities.size == diffusion.SIDE
