"""Where words apply, and what an edit notes about its words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from editor.models.base import Cancelled, LoadedModel
from editor.models.latent import LatentDiffusion
from tests.support.tiny_diffusion import FAMILIES, PATCH
from tests.support.tiny_edits import (
    HEIGHT,
    WIDTH,
    edit,
    edited,
    load,
    request,
)


@pytest.mark.parametrize("name", FAMILIES)
def test_relevance(models: Callable[[str], LoadedModel], name: str) -> None:
    loaded, checks = models(name), list[None]()
    found = loaded.model.relevance(request(loaded), lambda: checks.append(None))
    assert found is not None
    assert (found.shape, found.dtype) == ((HEIGHT // PATCH, WIDTH // PATCH), np.float32)
    assert found.min() >= 0
    assert found.max() > 0
    assert len(checks) == 6
    again = loaded.model.relevance(request(loaded, seeds=(99,)), lambda: None)
    np.testing.assert_array_equal(found, again)  # where words apply is no matter of chance


def test_words_that_change_nothing_apply_nowhere(models: Callable[[str], LoadedModel]) -> None:
    loaded = models("stable-diffusion")
    found = loaded.model.relevance(request(loaded, prompt="a cat", negative_prompt="a cat"), lambda: None)
    assert found is not None
    assert found.max() == pytest.approx(0, abs=1e-5)


def test_relevance_stops_between_two_noises(models: Callable[[str], LoadedModel]) -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        models("stable-diffusion").model.relevance(request(models("stable-diffusion")), stop)


@pytest.mark.parametrize(
    ("name", "guidance", "told"),
    [("stable-diffusion", 7.5, False), ("stable-diffusion", 1.0, True), ("stable-diffusion-lcm", 8.0, True)],
)
def test_a_negative_prompt_without_effect_is_told(
    models: Callable[[str], LoadedModel], name: str, guidance: float, told: bool
) -> None:
    made = edited(models(name), negative_prompt="blurred", guidance_scale=guidance)
    assert any("negative prompt has no effect" in note for note in made.notes) is told


def test_words_beyond_the_models_window_are_told(models: Callable[[str], LoadedModel]) -> None:
    made = edited(models("stable-diffusion"), prompt="a" * 75)
    assert made.notes == []
    made = edited(models("stable-diffusion"), prompt="a" * 75 + "bcd")
    assert made.notes == ["The model reads 75 tokens of a prompt; it did not read: bcd"]


def test_numbers_that_overflow_are_told(copy: Path) -> None:
    loaded = load(copy)
    assert isinstance(loaded.model, LatentDiffusion)
    with torch.no_grad():
        loaded.model._components.parts["vae"].decoder.conv_out.bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="EDITOR_DTYPE"):
        edit(loaded)
