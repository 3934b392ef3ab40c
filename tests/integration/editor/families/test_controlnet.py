"""ControlNets hold a picture by its edges or its depth."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from editor.models.base import LoadedModel
from editor.models.controls import Canny, Depth
from framesense.schemas.edits import Task
from tests.support.tiny_diffusion import save_controlnet, save_depth_estimator
from tests.support.tiny_edits import (
    HEIGHT,
    WIDTH,
    difference,
    edit,
    edited,
    load,
)


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
