"""Every family of diffusers models, on tiny pipelines that the tests build and save; the loading code is the real one.

Random weights make no pretty pictures, but they obey or break the same rules as trained ones: sizes, seeds, steps,
masks, schedulers, and what a folder must hold.
"""

from __future__ import annotations

import base64
import gc
import io
import json
import os
import shutil
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image
from skimage import data

from editor.app import create_app
from editor.models.base import Cancelled, Edited, LoadedModel, ModelRequest, Step
from editor.models.controls import Canny, Depth
from editor.models.factory import load_model
from editor.models.folders import Architecture, Distillation, Role, read_folder
from editor.models.hardware import is_memory_short, lay_out
from editor.models.latent import LatentDiffusion
from editor.models.schedulers import make_scheduler
from editor.models.upscaler import _lay_on, _tiles
from editor.settings import EditorSettings
from framesense.schemas.edits import SchedulerName, Task
from tests.support import tiny_diffusion as diffusion
from tests.support.tiny_diffusion import FAMILIES, PATCH, SIDE, save_controlnet, save_depth_estimator, save_pipeline

WIDTH, HEIGHT = 64, 48
PHOTO = cv2.resize(data.astronaut(), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("pipelines")

    def folder(name: str) -> Path:
        return root / name if (root / name).exists() else FAMILIES[name](root / name)

    return folder


@pytest.fixture(scope="module")
def models(folders: Callable[[str], Path]) -> Callable[[str], LoadedModel]:
    loaded: dict[str, LoadedModel] = {}

    def model(name: str) -> LoadedModel:
        if name not in loaded:
            loaded[name] = load(folders(name))
        return loaded[name]

    return model


@pytest.fixture
def copy(folders: Callable[[str], Path], tmp_path: Path) -> Path:
    """A Stable Diffusion folder to spoil."""
    return Path(shutil.copytree(folders("stable-diffusion"), tmp_path / "copy"))


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


# ------------------------------------------------------------------------------------------------- what they can do


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


# ---------------------------------------------------------------------------------------------------- schedulers


def test_each_scheduler_has_its_own_way(models: Callable[[str], LoadedModel]) -> None:
    loaded = models("stable-diffusion")
    schedulers = loaded.model.abilities.schedulers
    assert set(schedulers) == set(SchedulerName) - {SchedulerName.LCM}
    pictures = {edit(loaded, scheduler=scheduler, steps=8).tobytes() for scheduler in schedulers}
    assert len(pictures) == len(schedulers)


@pytest.mark.parametrize(
    ("name", "scheduler", "reason"),
    [
        ("stable-diffusion", SchedulerName.LCM, "distilled for it"),
        ("stable-diffusion-xl-turbo", SchedulerName.DDIM, "a few steps of Euler"),
        ("stable-diffusion-lcm", SchedulerName.EULER, "It takes lcm"),
    ],
)
def test_a_scheduler_that_does_not_suit_is_refused(
    models: Callable[[str], LoadedModel], name: str, scheduler: SchedulerName, reason: str
) -> None:
    assert scheduler not in models(name).model.abilities.schedulers
    with pytest.raises(ValueError, match=reason):
        edit(models(name), scheduler=scheduler)


def test_lcm_takes_no_more_steps_than_it_was_distilled_from(models: Callable[[str], LoadedModel]) -> None:
    with pytest.raises(ValueError, match="at most 50 steps"):
        edit(models("stable-diffusion-lcm"), steps=51)


@pytest.mark.parametrize("name", SchedulerName)
def test_a_scheduler_is_made_from_the_models_own(name: SchedulerName) -> None:
    """What was trained stays; and nothing clips latents, which diffusers does by default."""
    own = {"beta_start": 0.001, "beta_end": 0.02, "beta_schedule": "linear", "prediction_type": "v_prediction"}
    made = make_scheduler(name, {"_class_name": "PNDMScheduler", **own, "skip_prk_steps": True})
    assert {key: made.config[key] for key in own} == own
    assert not made.config.get("clip_sample", False)
    assert made.config.steps_offset == 1


def test_a_model_of_another_kind_of_noise_is_refused(copy: Path) -> None:
    config = {"_class_name": "EDMEulerScheduler", "_diffusers_version": "0.42.1"}
    (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="EDMEulerScheduler"):
        load(copy)


# ------------------------------------------------------------------------------------------------ where words apply


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


# -------------------------------------------------------------------------------------------------- what is said


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


# ---------------------------------------------------------------------------------------------------- the upscaler


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(save_pipeline(tmp_path_factory.mktemp("upscalers") / "tiny", channels=7))


def enlarge(loaded: LoadedModel, **changes: Any) -> np.ndarray[Any, Any]:
    asked = {"task": Task.UPSCALE_X4, "prompt": "", "width": 4 * WIDTH, "height": 4 * HEIGHT, "steps": 2}
    return edit(loaded, **(asked | changes))


def test_an_upscaler_enlarges_in_tiles(upscaler: LoadedModel) -> None:
    """The tiny one sees 32 × 32 pixels, so the photo is 3 × 2 tiles, each 8 pixels over the one before it."""
    assert upscaler.info.family == "stable-diffusion-upscaler"
    abilities = upscaler.model.abilities
    assert abilities.tasks == {Task.UPSCALE_X2, Task.UPSCALE_X4}
    assert abilities.any_size
    steps, shapes = list[tuple[int, int]](), set[tuple[int, ...]]()

    def on_step(step: Step) -> None:
        steps.append((step.done, step.total))
        shapes.update(preview.shape for preview in step.preview())

    asked = request(upscaler, task=Task.UPSCALE_X4, prompt="", width=4 * WIDTH, height=4 * HEIGHT, steps=2)
    made = upscaler.model.edit(asked, on_step)
    assert steps == [(done, 12) for done in range(1, 13)]
    assert shapes == {(4 * HEIGHT, 4 * WIDTH, 3)}
    assert made.pictures[0].shape == (4 * HEIGHT, 4 * WIDTH, 3)
    assert made.method == "Stable Diffusion ×4 upscaler"
    np.testing.assert_array_equal(made.pictures[0], enlarge(upscaler))
    assert difference(made.pictures[0], enlarge(upscaler, seeds=(4,))) > 0
    assert difference(made.pictures[0], enlarge(upscaler, strength=1.0)) > 0
    assert upscaler.model.relevance(asked, lambda: None) is None


@pytest.mark.parametrize(("width", "height"), [(64, 48), (37, 21), (5, 33), (32, 32)])
def test_an_upscaler_takes_photos_of_any_size(upscaler: LoadedModel, width: int, height: int) -> None:
    photo = PHOTO[:height, :width]
    for task, factor in ((Task.UPSCALE_X4, 4), (Task.UPSCALE_X2, 2)):
        size = {"width": factor * width, "height": factor * height}
        assert enlarge(upscaler, task=task, photo=photo, steps=1, **size).shape == (factor * height, factor * width, 3)


def test_tiles_cover_a_photo_and_show_no_seam() -> None:
    """Laid onto a picture of the same grey, tiles of a grey leave it one grey; onto black, they cover all of it."""
    for start, least in ((128, 128), (0, 1)):
        canvas = np.full((4 * HEIGHT, 4 * WIDTH, 3), start, np.uint8)
        for tile in _tiles(HEIGHT, WIDTH, 32):
            size = (4 * (tile.bottom - tile.top), 4 * (tile.right - tile.left), 3)
            _lay_on(canvas, np.full(size, 128 / 255, np.float32), tile)
        assert canvas.max() == 128
        assert canvas.min() >= least


def test_an_upscaler_stops_and_refuses(upscaler: LoadedModel) -> None:
    def stop(step: Step) -> None:
        if step.done == 3:
            raise Cancelled

    asked = request(upscaler, task=Task.UPSCALE_X4, prompt="", width=4 * WIDTH, height=4 * HEIGHT, steps=2)
    with pytest.raises(Cancelled):
        upscaler.model.edit(asked, stop)
    with pytest.raises(ValueError, match="cannot edit"):
        edit(upscaler)


# ---------------------------------------------------------------------------------------------------- ControlNet


@pytest.fixture(scope="module")
def controlnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_controlnet(tmp_path_factory.mktemp("controlnets") / "control-canny")


@pytest.fixture(scope="module")
def estimator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_depth_estimator(tmp_path_factory.mktemp("dpt"))


def test_edges_hold_a_picture(
    folders: Callable[[str], Path], models: Callable[[str], LoadedModel], controlnet: Path
) -> None:
    plain, held = models("stable-diffusion"), load(folders("stable-diffusion"), editor_controlnet=f"path:{controlnet}")
    assert held.info.family == "stable-diffusion-controlnet-canny"
    assert held.info.parameters > plain.info.parameters
    assert held.info.revision != plain.info.revision
    made = edited(held)
    assert made.method == "SDEdit, held by ControlNet (canny)"
    assert difference(made.pictures[0], edit(plain)) > 0
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[:24] = 1
    assert edited(held, mask=mask, seeds=(3, 4)).method == "SDEdit within the mask, held by ControlNet (canny)"
    words = {"task": Task.GENERATE, "photo": None, "strength": 1.0}
    np.testing.assert_array_equal(edit(held, **words), edit(plain, **words))


@pytest.mark.parametrize(
    "name", ["stable-diffusion-xl", "stable-diffusion-inpainting", "stable-diffusion-xl-inpainting"]
)
def test_controlnets_of_other_families(folders: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    folder = save_controlnet(tmp_path / "canny", xl="xl" in name)
    held = load(folders(name), editor_controlnet=f"path:{folder}")
    made = edited(held)
    assert "held by ControlNet (canny)" in made.method
    assert difference(made.pictures[0], edit(load(folders(name)))) > 0


def test_depth_holds_a_picture(folders: Callable[[str], Path], controlnet: Path, estimator: Path) -> None:
    changes = {
        "editor_controlnet": f"path:{controlnet}",
        "editor_control": "depth",
        "editor_depth": f"path:{estimator}",
    }
    held = load(folders("stable-diffusion"), **changes)
    assert held.info.family == "stable-diffusion-controlnet-depth"
    made = edited(held)
    assert made.method == "SDEdit, held by ControlNet (depth)"
    canny = load(folders("stable-diffusion"), editor_controlnet=f"path:{controlnet}")
    assert difference(made.pictures[0], edit(canny)) > 0


def test_what_a_controlnet_is_shown(estimator: Path) -> None:
    photo = data.astronaut()
    edges = Canny()(photo)
    assert (edges.shape, set(np.unique(edges))) == (photo.shape, {0, 255})
    assert 0.02 < (edges > 0).mean() < 0.3
    assert not Canny()(np.full((40, 50, 3), 90, np.uint8)).any()
    depths = Depth.load(estimator, torch.device("cpu"), torch.float32)(photo)
    assert (depths.shape, depths.dtype) == (photo.shape, np.uint8)
    assert (depths.min(), depths.max()) == (0, 255)


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("stable-diffusion", {"editor_control": "depth"}, "set EDITOR_DEPTH"),
        ("stable-diffusion-xl", {}, "made for another base model"),
        ("stable-diffusion-instruct-pix2pix", {}, "takes no ControlNet"),
        ("refiner", {}, "the refiner of SDXL takes no ControlNet"),
    ],
)
def test_a_controlnet_that_does_not_fit_is_refused(
    folders: Callable[[str], Path], controlnet: Path, name: str, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        load(folders(name), editor_controlnet=f"path:{controlnet}", **changes)


def test_a_controlnets_name_or_a_setting_tells_what_it_is_for(
    folders: Callable[[str], Path], controlnet: Path, tmp_path: Path
) -> None:
    nameless = shutil.copytree(controlnet, tmp_path / "mine")
    with pytest.raises(ValueError, match="set EDITOR_CONTROL to canny or depth"):
        load(folders("stable-diffusion"), editor_controlnet=f"path:{nameless}")
    held = load(folders("stable-diffusion"), editor_controlnet=f"path:{nameless}", editor_control="canny")
    assert held.info.family.endswith("controlnet-canny")


def test_a_folder_that_is_no_controlnet(folders: Callable[[str], Path]) -> None:
    folder = folders("stable-diffusion")
    with pytest.raises(ValueError, match="holds a UNet2DConditionModel, not a ControlNet"):
        load(folder, editor_controlnet=f"path:{folder / 'unet'}", editor_control="canny")
    with pytest.raises(FileNotFoundError, match="it has no config"):
        load(folder, editor_controlnet=f"path:{folder}", editor_control="canny")


# ------------------------------------------------------------------------------------------------------- folders


def test_a_folder_tells_its_family(folders: Callable[[str], Path]) -> None:
    for name, family in {
        "stable-diffusion": (Architecture.STABLE_DIFFUSION, Role.PLAIN, Distillation.NONE),
        "stable-diffusion-xl-turbo": (Architecture.STABLE_DIFFUSION_XL, Role.PLAIN, Distillation.TURBO),
        "stable-diffusion-lcm": (Architecture.STABLE_DIFFUSION, Role.PLAIN, Distillation.LCM),
        "stable-diffusion-xl-inpainting": (Architecture.STABLE_DIFFUSION_XL, Role.INPAINTING, Distillation.NONE),
    }.items():
        folder = read_folder(folders(name))
        assert (folder.architecture, folder.role, folder.distillation) == family


def test_a_schedule_down_to_zero_signal_is_no_turbo(folders: Callable[[str], Path], copy: Path) -> None:
    config = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}
    zero_signal = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    for more, expected in (({}, Distillation.TURBO), (zero_signal, Distillation.NONE)):
        (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps(config | more))
        assert read_folder(copy).distillation is expected


def test_half_precision_files_alone_are_enough(tmp_path: Path) -> None:
    folder = save_pipeline(tmp_path / "half", variant="fp16")
    assert (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").exists()
    assert edit(load(folder)).shape == PHOTO.shape


def test_weights_in_several_files(folders: Callable[[str], Path], copy: Path) -> None:
    (copy / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    whole = load(folders("stable-diffusion"))
    assert isinstance(whole.model, LatentDiffusion)
    whole.model._components.parts["unet"].save_pretrained(copy / "unet", max_shard_size="200KB")
    shards = sorted((copy / "unet").glob("*-of-*.safetensors"))
    assert len(shards) > 1
    np.testing.assert_array_equal(edit(load(copy)), edit(whole))
    shards[1].unlink()
    with pytest.raises(FileNotFoundError, match=f"{shards[1].name} is not there: its download is not finished"):
        load(copy)


def test_the_revision_changes_with_the_weights(folders: Callable[[str], Path], copy: Path) -> None:
    revision = read_folder(folders("stable-diffusion")).revision
    assert read_folder(copy).revision == revision
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    assert read_folder(copy).revision != revision


def _truncate(folder: Path) -> None:
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    os.truncate(weights, weights.stat().st_size - 100)


def _truncate_header(folder: Path) -> None:
    os.truncate(folder / "vae" / "diffusion_pytorch_model.safetensors", 100)


def _pickles(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(folder / "unet" / "diffusion_pytorch_model.bin")


def _pointer(folder: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 3438167534\n"
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_text(text)


def _index(**changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps(index | changes))

    return spoil


def _config(component: str, **changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / component / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def _remove(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_remove("vae"), "has no vae/: its download is not finished"),
        (_remove("unet/diffusion_pytorch_model.safetensors"), "holds no weights"),
        (_remove("text_encoder/config.json"), "config.json is not there"),
        (_remove("tokenizer/tokenizer.json"), "tokenizer has no"),
        (_remove("model_index.json"), "has no model_index.json"),
        (_truncate, r"is cut short: [\d,]+ of [\d,]+ bytes. Fetch it again"),
        (_truncate_header, "cut short or no safetensors"),
        (_pickles, "only safetensors are read"),
        (_pointer, "git lfs pull"),
        (_index(_class_name="FluxKontextPipeline"), "is a FluxKontextPipeline, which is not known here"),
        (_index(_class_name=["pipeline", "Mine"]), "code of its own"),
        (_index(_class_name="StableDiffusionControlNetPipeline"), "EDITOR_CONTROLNET"),
        (_index(scheduler=[None, None]), "names no scheduler"),
        (_config("unet", in_channels=5), "5 input channels"),
        (_config("unet", cross_attention_dim=16), "cannot be loaded"),
    ],
)
def test_a_spoilt_folder_is_told(copy: Path, spoil: Callable[[Path], None], reason: str) -> None:
    spoil(copy)
    with pytest.raises((ValueError, FileNotFoundError), match=reason):
        load(copy)


def test_folders_that_are_something_else(tmp_path: Path) -> None:
    empty, captioner, single = tmp_path / "empty", tmp_path / "captioner", tmp_path / "single"
    for folder in (empty, captioner, single):
        folder.mkdir()
    (captioner / "config.json").write_text('{"model_type": "blip"}')
    (single / "dreamy.safetensors").write_bytes(b"\0" * 8)
    for folder, reason in {
        tmp_path / "nowhere": "there is no folder",
        empty: "is empty",
        captioner: "of the kind 'blip', not a diffusers pipeline",
        single: "single checkpoint",
        single / "dreamy.safetensors": "is a file",
    }.items():
        with pytest.raises((ValueError, FileNotFoundError), match=reason):
            load(folder)


def test_another_kind_of_name() -> None:
    with pytest.raises(ValueError, match="edits no pictures"):
        load_model(EditorSettings(editor_model="open_clip:ViT-B-32/openai"))


# -------------------------------------------------------------------------------------------------------- the hub


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, Path], None]:
    """The hub's cache in a folder of the test's own, and no network; puts folders into it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def put(name: str, folder: Path) -> None:
        place = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("0123456789abcdef0123456789abcdef01234567")
        shutil.copytree(folder, place / "snapshots" / "0123456789abcdef0123456789abcdef01234567")

    return put


def from_hub(name: str, **changes: Any) -> LoadedModel:
    return load_model(EditorSettings(editor_model=name, editor_device="cpu", editor_dtype="float32", **changes))


def test_a_model_in_the_hubs_cache(folders: Callable[[str], Path], hub: Callable[[str, Path], None]) -> None:
    hub("org/tiny", folders("stable-diffusion"))
    loaded = from_hub("hf:org/tiny")
    assert (loaded.info.name, loaded.info.revision) == ("hf:org/tiny", "0123456789ab")
    assert edit(loaded).shape == PHOTO.shape


def test_a_half_fetched_model_of_the_hub(copy: Path, hub: Callable[[str, Path], None]) -> None:
    (copy / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    hub("org/half", copy)
    with pytest.raises(FileNotFoundError, match=r"unet holds no weights .* its download is not finished"):
        from_hub("hf:org/half")


def test_a_model_that_is_not_in_the_hubs_cache(hub: Callable[[str, Path], None]) -> None:
    from framesense.models.errors import explain

    with pytest.raises(OSError) as failed:
        from_hub("hf:org/unknown")
    assert "not in the model cache" in explain(failed.value, "hf:org/unknown")


def test_the_hubs_index_tells_before_anything_is_fetched(hub: Callable[[str, Path], None], tmp_path: Path) -> None:
    (tmp_path / "flux").mkdir()
    (tmp_path / "flux" / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    hub("org/flux", tmp_path / "flux")
    with pytest.raises(ValueError, match="hf:org/flux is a FluxPipeline"):
        from_hub("hf:org/flux")


# ------------------------------------------------------------------------------------------------------- hardware


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


# ---------------------------------------------------------------------------------------------------- the service


def post(client: TestClient, photo: np.ndarray[Any, Any] | None = None, **parameters: object) -> httpx.Response:
    stream = io.BytesIO()
    Image.fromarray(data.chelsea() if photo is None else photo).save(stream, "JPEG")
    form = {"parameters": json.dumps({"prompt": "a cat at night", "seed": 3} | parameters)}
    return client.post("/edits", data=form, files={"image": ("cat.jpg", stream.getvalue(), "image/jpeg")})


def test_a_turbo_model_through_the_service(folders: Callable[[str], Path]) -> None:
    with TestClient(create_app(settings(folders("stable-diffusion-xl-turbo")))) as client:
        while client.get("/ready").status_code != 200:
            time.sleep(0.1)
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
        while client.get("/ready").status_code != 200:
            time.sleep(0.1)
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
    _truncate(copy)
    with TestClient(create_app(settings(copy))) as client:
        while "being loaded" in (answer := client.get("/ready")).text:
            time.sleep(0.1)
        assert answer.status_code == 503
        assert "is cut short" in answer.text
        assert post(client).status_code == 503
