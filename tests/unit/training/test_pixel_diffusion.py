"""The embedded editor: its training data, its recipe, and what the committed weights make of real photos."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tools.settings import ROOT

torch = pytest.importorskip("torch")

from editor.models.base import Cancelled, ModelRequest, Step  # noqa: E402
from editor.models.embedded import SCHEDULERS, PixelDiffusionEditor  # noqa: E402
from editor.models.light_noise import LightNoise  # noqa: E402
from framesense.models.encoders.minilm import SentenceEncoder  # noqa: E402
from framesense.schemas.edits import SchedulerName, Task  # noqa: E402
from training import pixel_diffusion  # noqa: E402
from training.config import parse_recipe  # noqa: E402
from training.linear_light import cast, expose, luminance, to_linear, to_srgb  # noqa: E402
from training.photo_variants import NAMES, read_off, vary  # noqa: E402
from training.pixel_diffusion import PixelDiffusionRecipe  # noqa: E402
from training.pixel_diffusion_data import SENTENCE_SCALE, pack  # noqa: E402

EMBEDDED = ROOT / "models" / "editor-pixel-diffusion"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.coffee()  # 400 × 600


@pytest.fixture(scope="module")
def editor() -> PixelDiffusionEditor:
    return PixelDiffusionEditor.load(EMBEDDED, torch.device("cpu"))


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


# ----------------------------------------------------------------------------------------------------------- the editor


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


# ---------------------------------------------------------------------------------------------------------------- noise


def test_the_noise_and_the_way_back() -> None:
    light = LightNoise(32, 2, {"brightness": 0.5, "ramp": 0.3, "colour": 0.2})
    white = torch.randn(500, 12, 16, 16, generator=torch.Generator().manual_seed(0))
    noise = light.colour(white)
    assert torch.allclose(light.whiten(noise), white, atol=1e-5)
    pixels = torch.nn.functional.pixel_shuffle(noise, 2)
    brightness = pixels.mean(dim=(1, 2, 3))
    assert float(brightness.std()) == pytest.approx(0.5, rel=0.1)
    ramp = torch.linspace(-1, 1, 32).view(1, 1, 32, 1)
    assert float((pixels * ramp).mean(dim=(1, 2, 3)).std() / ramp.square().mean().sqrt()) == pytest.approx(0.3, rel=0.1)
    warmth = (pixels[:, 0] - pixels[:, 2]).mean(dim=(1, 2))
    # two directions of colour at 0.2 for a pixel's three channels: of red − blue, (1, 0, −1)·√(3/2)·0.2
    assert float(warmth.std()) == pytest.approx(0.2 * 3**0.5 * 2**0.5, rel=0.1)
    assert float(pixels.std()) == pytest.approx((1 + 0.25 + 0.09 + 2 * 0.04) ** 0.5, rel=0.03)


def test_noise_with_nothing_added_is_white() -> None:
    light = LightNoise(16, 1, {"brightness": 0.0, "ramp": 0.0, "colour": 0.0})
    white = torch.randn(2, 3, 16, 16)
    assert torch.allclose(light.colour(white), white, atol=1e-6)


# -------------------------------------------------------------------------------------------------------- training data


def test_linear_light_and_back(photo: np.ndarray) -> None:
    srgb = photo.astype(np.float32) / 255
    assert np.allclose(to_srgb(to_linear(srgb)), srgb, atol=1e-4)


@pytest.mark.parametrize("level", [0.1, 0.3, 0.6])
def test_exposing_reaches_its_level(photo: np.ndarray, level: float) -> None:
    exposed = expose(to_linear(photo.astype(np.float32) / 255), level)
    assert float(to_srgb(luminance(exposed)).mean()) == pytest.approx(level, abs=0.01)


def test_a_full_cast_gives_the_mean_its_colour(photo: np.ndarray) -> None:
    cast_photo = cast(to_linear(photo.astype(np.float32) / 255), (1.5, 1.0, 0.5), 1.0)
    red, green, blue = cast_photo.reshape(-1, 3).mean(axis=0)
    assert red / green == pytest.approx(1.5, rel=0.2)
    assert blue / green == pytest.approx(0.5, rel=0.2)


@pytest.mark.parametrize("variant", NAMES)
@pytest.mark.parametrize("level", [0, 40, 255])
def test_every_variant_of_every_photo_is_a_picture(variant: str, level: int, photo: np.ndarray) -> None:
    chance = np.random.default_rng(0)
    for one in (pack(Image.fromarray(photo), 32), np.full((32, 32, 3), level, np.uint8)):
        varied = vary(one, variant, chance)
        assert varied.shape == one.shape
        assert varied.dtype == np.uint8


def test_variants_look_like_their_words() -> None:
    small, chance = pack(Image.fromarray(skimage.data.astronaut()), 32), np.random.default_rng(0)
    seen = {name: vary(small, name, chance) for name in NAMES}
    assert brightness(seen["night"]) < brightness(seen["dusk"]) < brightness(seen["daylight"])
    assert warmth(seen["cold"]) < warmth(small) < warmth(seen["warm"])
    assert warmth(seen["cold"]) < 0 < warmth(seen["warm"])
    assert seen["fog"].std() < small.std()
    assert np.ptp(seen["grey"].astype(int), axis=2).max() <= 1


def test_what_is_read_off_a_photo() -> None:
    small, chance = pack(Image.fromarray(skimage.data.astronaut()), 32), np.random.default_rng(0)
    assert {"night", "dim"} & set(read_off(vary(small, "night", chance)))
    assert "grey" in read_off(vary(small, "grey", chance))
    assert "cold" in read_off(vary(small, "blue", chance))
    assert "warm" in read_off(vary(small, "warm", chance))
    ordinary = np.random.default_rng(0).integers(60, 180, (32, 32, 3)).astype(np.uint8)
    assert read_off(ordinary) == ["flat"]


# --------------------------------------------------------------------------------------------------------------- recipe


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
