"""Pipeline folders tell their family, and what they lack; so does the hub's cache."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from editor.models.base import LoadedModel
from editor.models.factory import load_model
from editor.models.folders import Architecture, Distillation, Role, read_folder
from editor.models.latent import LatentDiffusion
from editor.settings import EditorSettings
from tests.support.tiny_diffusion import save_pipeline
from tests.support.tiny_edits import (
    PHOTO,
    edit,
    load,
    truncate_weights,
)


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
        (truncate_weights, r"is cut short: [\d,]+ of [\d,]+ bytes. Fetch it again"),
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
