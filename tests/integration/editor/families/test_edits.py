"""Every family edits a photo: sizes, seeds, steps and masks.

Random weights make no pretty pictures, but they obey or break the same rules as trained ones: sizes, seeds, steps,
masks, schedulers, and what a folder must hold. The loading code is the real one.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from editor.models.base import Cancelled, LoadedModel, Step
from framesense.schemas.edits import SchedulerName, Task
from tests.support.tiny_diffusion import FAMILIES, PATCH, SIDE
from tests.support.tiny_edits import (
    HEIGHT,
    PHOTO,
    WIDTH,
    difference,
    edit,
    edited,
    request,
)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_known_and_edits_a_photo(models: Callable[[str], LoadedModel], name: str) -> None:
    loaded = models(name)
    assert loaded.info.family == ("stable-diffusion-xl" if name == "refiner" else name)
    assert (loaded.info.device, loaded.info.dtype, len(loaded.info.revision)) == ("cpu", "float32", 12)
    assert loaded.info.parameters > 200_000
    assert (loaded.model.abilities.size, loaded.model.abilities.multiple_of) == (SIDE, 8)

    steps: list[Step] = []
    previews: list[tuple[int, ...]] = []

    def on_step(step: Step) -> None:
        steps.append(step)
        previews.extend(preview.shape for preview in step.preview())

    asked = request(loaded, seeds=(3, 2**32 - 1))
    made = loaded.model.edit(asked, on_step)
    taken = asked.steps if "pix2pix" in name else asked.steps_taken
    assert [(step.done, step.total) for step in steps] == [(done, taken) for done in range(1, taken + 1)]
    assert set(previews) == {(HEIGHT // PATCH, WIDTH // PATCH, 3)}
    assert len(previews) == 2 * taken
    first, second = made.pictures
    assert first.shape == second.shape == (HEIGHT, WIDTH, 3)
    assert first.dtype == np.uint8
    assert difference(first, second) > 1
    alone = edit(loaded)
    np.testing.assert_array_equal(alone, edit(loaded))
    # Whichever others it is made with, but for the last bits: sums over a batch are taken in another order.
    assert np.abs(first.astype(int) - alone).max() <= 2
    assert np.abs(second.astype(int) - edit(loaded, seeds=(2**32 - 1,))).max() <= 2


@pytest.mark.parametrize(
    ("name", "steps", "guidance", "generates"),
    [
        ("stable-diffusion", 25, 7.5, True),
        ("stable-diffusion-xl", 25, 5.0, True),
        ("stable-diffusion-xl-turbo", 4, 0.0, True),
        ("stable-diffusion-lcm", 4, 8.0, True),
        ("stable-diffusion-instruct-pix2pix", 30, 7.5, False),
        ("stable-diffusion-inpainting", 25, 7.5, False),
        ("refiner", 25, 5.0, False),
    ],
)
def test_what_a_family_does_by_default(
    models: Callable[[str], LoadedModel], name: str, steps: int, guidance: float, generates: bool
) -> None:
    loaded = models(name)
    abilities = loaded.model.abilities
    assert (abilities.default_steps, abilities.default_guidance_scale) == (steps, guidance)
    asked = {"task": Task.GENERATE, "photo": None, "mask": None, "strength": 1.0, "width": 32}
    if generates:
        assert edit(loaded, **asked).shape == (HEIGHT, 32, 3)
    else:
        with pytest.raises(ValueError, match="cannot generate"):
            edit(loaded, **asked)


@pytest.mark.parametrize("name", ["stable-diffusion", "stable-diffusion-xl", "stable-diffusion-xl-turbo"])
def test_it_is_what_diffusers_makes(
    folders: Callable[[str], Path], models: Callable[[str], LoadedModel], name: str
) -> None:
    """The same settings in diffusers' own pipeline give the same bytes."""
    import diffusers

    loaded = models(name)
    asked = request(loaded, negative_prompt="blurred")
    xl = "xl" in name
    kind: Any = diffusers.StableDiffusionXLImg2ImgPipeline if xl else diffusers.StableDiffusionImg2ImgPipeline
    pipeline = kind.from_pretrained(folders(name), use_safetensors=True)
    if not xl:
        pipeline.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    theirs = pipeline(
        prompt=asked.prompt,
        negative_prompt=asked.negative_prompt,
        image=Image.fromarray(PHOTO),
        strength=asked.strength,
        num_inference_steps=asked.steps,
        guidance_scale=asked.guidance_scale,
        generator=torch.Generator().manual_seed(3),
    ).images[0]
    np.testing.assert_array_equal(edit(loaded, negative_prompt="blurred"), np.asarray(theirs))


@pytest.mark.parametrize("strength", [0.05, 0.34, 0.5, 1.0])
def test_strength_is_steps_taken(models: Callable[[str], LoadedModel], strength: float) -> None:
    loaded, totals = models("stable-diffusion"), set[int]()
    asked = request(loaded, strength=strength, steps=20)
    loaded.model.edit(asked, lambda step: totals.add(step.total))
    assert totals == {asked.steps_taken} == {int(20 * strength)}


def test_more_strength_changes_more(models: Callable[[str], LoadedModel]) -> None:
    loaded = models("stable-diffusion")
    least = edit(loaded, strength=0.02, steps=50)
    differences = [difference(least, edit(loaded, strength=strength, steps=50)) for strength in (0.04, 0.2, 0.5)]
    assert differences == sorted(differences)
    assert differences[0] < differences[-1] / 2


def test_instructions_follow_the_photo_less_with_more_strength(models: Callable[[str], LoadedModel]) -> None:
    loaded = models("stable-diffusion-instruct-pix2pix")
    one, other = edited(loaded, strength=0.1), edited(loaded, strength=1.0)
    assert (one.method, other.method) == (
        "InstructPix2Pix, image guidance 1.90",
        "InstructPix2Pix, image guidance 1.00",
    )
    assert difference(one.pictures[0], other.pictures[0]) > 0


def test_it_stops_between_two_steps(models: Callable[[str], LoadedModel]) -> None:
    loaded = models("stable-diffusion-xl")
    before, seen = edit(loaded), list[int]()

    def on_step(step: Step) -> None:
        seen.append(step.done)
        if step.done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        loaded.model.edit(request(loaded), on_step)
    assert seen == [1, 2]
    np.testing.assert_array_equal(edit(loaded), before)  # and works on


@pytest.mark.parametrize("cancelled", [False, True])
def test_it_lets_go_of_who_asked(models: Callable[[str], LoadedModel], cancelled: bool) -> None:
    class Asker:
        def __call__(self, step: Step) -> None:
            if cancelled:
                raise Cancelled

    loaded, asker = models("stable-diffusion"), Asker()
    held = weakref.ref(asker)
    with pytest.raises(Cancelled) if cancelled else nullcontext():
        loaded.model.edit(request(loaded), asker)
    del asker
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("name", ["stable-diffusion", "stable-diffusion-xl", "stable-diffusion-inpainting"])
def test_a_mask_keeps_the_rest(models: Callable[[str], LoadedModel], name: str) -> None:
    """As far as the network keeps it while it works: the photo's own pixels are put there by the service."""
    loaded = models(name)
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[:, : WIDTH // 3] = 1
    one = edit(loaded, strength=0.99, steps=4, mask=mask, prompt="snow")
    other = edit(loaded, strength=0.99, steps=4, mask=mask, prompt="snow", scheduler=SchedulerName.DDIM)
    inside, outside = np.s_[:, : WIDTH // 4], np.s_[:, WIDTH // 2 :]
    if name == "stable-diffusion-inpainting":  # keeps nothing by itself, but sees the mask
        assert difference(one, edit(loaded, strength=0.99, steps=4, prompt="snow")) > 0
        return
    assert difference(one[inside], other[inside]) > 3 * difference(one[outside], other[outside])
