"""The recipe of the embedded editor, from photos to an editor."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from editor.models.embedded import PixelDiffusionEditor
from editor.models.light_noise import LightNoise
from framesense.models.encoders.minilm import SentenceEncoder
from tests.support.light_edits import request_for
from training import pixel_diffusion
from training.config import parse_recipe
from training.pixel_diffusion import PixelDiffusionRecipe
from training.pixel_diffusion_data import SENTENCE_SCALE


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.coffee()  # 400 × 600


@pytest.fixture
def sources(tmp_path: Path, photo: np.ndarray) -> tuple[Path, Path]:
    """Two photos of rooms in a tar, and two with captions in a folder."""
    pictures = [photo, skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.rocket()]
    with tarfile.open(tmp_path / "rooms.tar", "w") as archive:
        for label, picture in zip(("kitchen", "dining_room"), pictures[:2], strict=True):
            data = io.BytesIO()
            Image.fromarray(picture).resize((80, 80)).save(data, "JPEG")
            member = tarfile.TarInfo(f"{label}/1.jpg")
            member.size = data.tell()
            archive.addfile(member, io.BytesIO(data.getvalue()))
    images = tmp_path / "captioned" / "images"
    images.mkdir(parents=True)
    lines = ["image,split,caption"]
    for name, picture, captions in (
        ("cat", pictures[2], ("A cat .", "A face")),
        ("rocket", pictures[3], ("A rocket",)),
    ):
        Image.fromarray(picture).save(images / f"{name}.jpg")
        lines += [f"{name}.jpg,train,{caption}" for caption in captions]
    lines.append("unseen.jpg,test,Not read")
    (tmp_path / "captioned" / "captions.csv").write_text("\n".join(lines))
    return tmp_path / "rooms.tar", tmp_path / "captioned"


def options_for(sources: tuple[Path, Path], folder: Path, *more: str) -> list[str]:
    rooms, captioned = sources
    start = ["--rooms", str(rooms), "--captioned", str(captioned), "--out", str(folder / "model")]
    return [*start, "--cache", str(folder / "cache"), "--batch-size", "2", *more]


def fewer_captions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One phrasing of each: a tenth of the time that MiniLM takes."""
    for name in ("CLASS_TEMPLATES", "PHRASE_TEMPLATES"):
        monkeypatch.setattr(f"training.pixel_diffusion_data.{name}", ("{phrase}",))


def test_what_is_drawn(sources: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer_captions(monkeypatch)
    recipe = parse_recipe(PixelDiffusionRecipe, None, options_for(sources, tmp_path))
    data = pixel_diffusion.read_data(recipe)
    assert data.rooms.pixels.shape == (2, 32, 32, 3)
    assert data.captioned.pixels.shape == (2, 32, 32, 3)
    assert len(data.captioned.plain[0]) == 2
    pixels, states, mask, sentences = pixel_diffusion.draw_batch(data, np.random.default_rng(0), recipe)
    assert pixels.shape == (2, 3, 32, 32)
    assert -1 <= pixels.min() < pixels.max() <= 1
    assert states.shape[:2] == mask.shape
    assert sentences.shape == (2, 384)
    drawn = [pixel_diffusion.draw(data, np.random.default_rng(number), recipe)[1] for number in range(200)]
    assert 0.04 < drawn.count(-1) / 200 < 0.22
    # the cache holds what MiniLM says
    number = data.captioned.plain[0][0]
    said = SentenceEncoder(torch.device("cpu")).encode_words(["a cat"])
    states, mask, sentences = data.words.batch([number, -1])
    assert np.allclose(states[0], said.states[0], atol=2e-3)
    assert np.allclose(sentences[0], said.sentences[0] * SENTENCE_SCALE, atol=2e-2)
    assert not states[1].any()
    assert mask.sum(dim=1).tolist() == [len(said.states[0]), 1]


def test_a_loss_that_training_lowers() -> None:
    torch.manual_seed(0)
    preset = {"side": 16, "patch": 2, "widths": (32, 32), "attention": (False, True), "layers": 1}
    model = pixel_diffusion.build(preset)
    kept, light = pixel_diffusion.alphas_cumulative(), LightNoise(16, 2, dict.fromkeys(pixel_diffusion.AMPLITUDES, 0.0))
    batch = (
        (torch.rand(4, 3, 1, 1) * 2 - 1).expand(4, 3, 16, 16).contiguous(),
        torch.randn(4, 5, 384),
        torch.ones(4, 5, dtype=torch.bool),
        torch.randn(4, 384),
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)

    def loss(seed: int) -> torch.Tensor:
        return pixel_diffusion.loss_of(model, batch, kept, light, 2, torch.Generator().manual_seed(seed))

    with torch.no_grad():
        before = sum(loss(seed).item() for seed in range(5))
    for step in range(40):
        optimiser.zero_grad()
        loss(100 + step).backward()
        optimiser.step()
    with torch.no_grad():
        assert sum(loss(seed).item() for seed in range(5)) < 0.8 * before


def test_times_are_drawn_from_all_of_them_the_noisy_ones_more_often() -> None:
    drawn = pixel_diffusion.times(4000, torch.Generator().manual_seed(0))
    assert int(drawn.min()) < 20
    assert int(drawn.max()) > 980
    assert 0.7 < float((drawn >= 300).float().mean()) < 0.95


def test_the_large_preset_keeps_within_its_bound() -> None:
    with torch.device("meta"):
        model = pixel_diffusion.build(pixel_diffusion.PRESETS["large"])
    assert 20_000_000 < sum(weight.numel() for weight in model.parameters()) <= 40_000_000


@pytest.mark.slow
def test_training_from_photos_to_an_editor(
    sources: tuple[Path, Path], tmp_path: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer_captions(monkeypatch)
    threads = torch.get_num_threads()
    try:
        pixel_diffusion.main(options_for(sources, tmp_path, "--minutes", "0.05", "--workers", "1"))
    finally:
        torch.set_num_threads(threads)
    told = json.loads((tmp_path / "model" / "editor.json").read_text())
    assert told["trained"]["steps_a_worker"] >= 1
    editor = PixelDiffusionEditor.load(tmp_path / "model", torch.device("cpu"))
    assert editor.edit(request_for(photo, steps=2), lambda step: None).pictures[0].shape == photo.shape
