"""What the committed weights of the embedded editor make of real photos."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from editor.models.base import Cancelled, Step
from editor.models.embedded import SCHEDULERS, PixelDiffusionEditor
from framesense.schemas.edits import SchedulerName, Task
from tests.support.light_edits import brightness, request_for, warmth
from tools.settings import ROOT

EMBEDDED = ROOT / "models" / "editor-pixel-diffusion"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.coffee()  # 400 × 600


@pytest.fixture(scope="module")
def editor() -> PixelDiffusionEditor:
    return PixelDiffusionEditor.load(EMBEDDED, torch.device("cpu"))


def test_the_words_move_the_light_their_way(editor: PixelDiffusionEditor, photo: np.ndarray) -> None:
    def edited(prompt: str) -> np.ndarray:
        return editor.edit(request_for(photo, prompt, strength=0.7), lambda step: None).pictures[0]

    night, day, warm, cold = map(edited, ("at night", "in bright daylight", "in warm light", "in cold light"))
    assert brightness(night) < brightness(photo) - 10
    assert brightness(night) < brightness(day) - 30
    assert warmth(cold) < warmth(photo) - 10
    assert warmth(cold) < warmth(warm) - 30


def test_more_strength_changes_more(editor: PixelDiffusionEditor, photo: np.ndarray) -> None:
    def change(strength: float) -> float:
        request = request_for(photo, strength=strength, steps=20)
        return float(np.abs(editor.edit(request, lambda step: None).pictures[0].astype(int) - photo).mean())

    little, more, most = map(change, (0.1, 0.3, 0.6))
    assert 0 < little < more < most


def test_words_that_say_nothing_leave_the_photo(editor: PixelDiffusionEditor, photo: np.ndarray) -> None:
    """Without words both runs are the same, so their difference is nothing."""
    picture = editor.edit(request_for(photo, prompt=""), lambda step: None).pictures[0]
    assert np.abs(picture.astype(int) - photo).max() <= 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_seed_decides_and_the_photo_keeps_its_size(
    editor: PixelDiffusionEditor, photo: np.ndarray, scheduler: SchedulerName
) -> None:
    steps: list[tuple[int, int, int]] = []

    def on_step(step: Step) -> None:
        pictures = step.preview()
        steps.append((step.done, step.total, len(pictures)))
        assert max(pictures[-1].shape) <= 384

    request = request_for(photo, seeds=(5, 6), scheduler=scheduler)
    first = editor.edit(request, on_step)
    again = editor.edit(request, lambda step: None)
    assert steps == [(done, 8, 1 if done <= 4 else 2) for done in range(1, 9)]  # half of 8 steps, for two seeds
    assert [picture.shape for picture in first.pictures] == [photo.shape] * 2
    assert all(np.array_equal(one, other) for one, other in zip(first.pictures, again.pictures, strict=True))
    assert not np.array_equal(*first.pictures)
    alone = editor.edit(replace(request, seeds=(6,)), lambda step: None)
    assert np.array_equal(alone.pictures[0], first.pictures[1])


def test_the_negative_prompt_pushes_away(editor: PixelDiffusionEditor, photo: np.ndarray) -> None:
    plain = editor.edit(request_for(photo, "a photo", strength=0.7), lambda step: None).pictures[0]
    away = request_for(photo, "a photo", strength=0.7, negative_prompt="at night")
    assert brightness(editor.edit(away, lambda step: None).pictures[0]) > brightness(plain) + 5


@pytest.mark.parametrize("guidance", [0.0, 1.0, 30.0])
def test_every_guidance_gives_a_picture(editor: PixelDiffusionEditor, photo: np.ndarray, guidance: float) -> None:
    picture = editor.edit(request_for(photo, guidance_scale=guidance, steps=4), lambda step: None).pictures[0]
    assert picture.shape == photo.shape
    assert picture.std() > 3


def test_strength_one_and_a_single_step(editor: PixelDiffusionEditor, photo: np.ndarray) -> None:
    for request in (request_for(photo, strength=1.0, steps=1), request_for(photo, strength=1.0, steps=4)):
        assert editor.edit(request, lambda step: None).pictures[0].shape == photo.shape


def test_cancelling_stops_between_steps(editor: PixelDiffusionEditor, photo: np.ndarray) -> None:
    done: list[int] = []

    def on_step(step: Step) -> None:
        done.append(step.done)
        if step.done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        editor.edit(request_for(photo), on_step)
    assert done == [1, 2]


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (33, 31)])
def test_odd_photos(editor: PixelDiffusionEditor, photo: np.ndarray, size: tuple[int, int]) -> None:
    small = np.ascontiguousarray(photo[: size[0], : size[1]])
    assert editor.edit(request_for(small, steps=4), lambda step: None).pictures[0].shape == small.shape


def test_a_long_prompt_is_cut(editor: PixelDiffusionEditor, photo: np.ndarray) -> None:
    words = editor.encode_words(["at night " * 200, ""])
    assert words.states.shape == (2, 32, 384)
    assert words.mask.sum(dim=1).tolist() == [32, 1]
    assert not words.states[1].any()


def test_where_the_words_apply(editor: PixelDiffusionEditor, photo: np.ndarray) -> None:
    checked: list[None] = []
    found = editor.relevance(request_for(photo), lambda: checked.append(None))
    assert found.shape == (32, 32)
    assert found.min() >= 0
    assert found.std() > 0
    assert len(checked) > 1
    nothing = editor.relevance(request_for(photo, prompt=""), lambda: None)
    assert float(np.abs(nothing).max()) < 1e-4


def test_it_makes_no_pictures_from_words_alone(editor: PixelDiffusionEditor, photo: np.ndarray) -> None:
    with pytest.raises(ValueError, match="words alone"):
        editor.edit(request_for(photo, task=Task.GENERATE), lambda step: None)


def test_it_says_what_it_is(editor: PixelDiffusionEditor) -> None:
    assert editor.abilities.any_size
    assert editor.abilities.note is not None
    assert "small" in editor.abilities.note
    assert sum(weight.numel() for weight in editor._network.parameters()) < 10_000_000
    assert (EMBEDDED / "diffusion_pytorch_model.safetensors").stat().st_size < 30_000_000


@pytest.mark.parametrize("name", ["editor.json", "config.json", "diffusion_pytorch_model.safetensors"])
def test_a_folder_that_lacks_a_file(tmp_path: Path, name: str) -> None:
    shutil.copytree(EMBEDDED, tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        PixelDiffusionEditor.load(tmp_path / "model", torch.device("cpu"))


def test_a_folder_whose_files_are_broken(tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED, tmp_path / "model")
    weights = tmp_path / "model" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be read"):
        PixelDiffusionEditor.load(tmp_path / "model", torch.device("cpu"))
    shutil.copy(EMBEDDED / weights.name, weights)
    (tmp_path / "model" / "editor.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot be read"):
        PixelDiffusionEditor.load(tmp_path / "model", torch.device("cpu"))
