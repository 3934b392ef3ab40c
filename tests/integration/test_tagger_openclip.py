"""The OpenCLIP path on a tiny model of random weights that the test makes and saves as OpenCLIP does."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from framesense.torch_compat import prepare_torchvision
from tagger.calibration import NeutralCalibration, SigmoidCalibration
from tagger.models.factory import load_model
from tagger.models.openclip import OpenClip
from tagger.settings import TaggerSettings

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def save_tiny(folder: Path, **config: float) -> Path:
    prepare_torchvision()
    import safetensors.torch
    from open_clip import CLIP

    torch.manual_seed(0)
    model = CLIP(**TINY, **config)
    folder.mkdir()
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}
    document = {"model_cfg": TINY | config, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(document))
    safetensors.torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("open-clip") / "tiny")


def settings(folder: Path, **changes: str) -> TaggerSettings:
    return TaggerSettings(**({"tagger_model": f"path:{folder}", "tagger_dtype": "float32"} | changes))


def test_a_folder_is_loaded_and_embeds(folder: Path) -> None:
    loaded = load_model(settings(folder))
    assert (loaded.info.family, loaded.model.image_size, loaded.model.dimensions) == ("open-clip", 32, 16)
    assert loaded.model.logit_scale == pytest.approx(1 / 0.07, rel=1e-3)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), np.uint8)
    images = loaded.model.encode_images(torch.stack([loaded.model.preprocess(picture) for picture in pictures]))
    texts = loaded.model.encode_texts(["a photo of a cat", "a photo of a dog", "x"])
    assert (images.shape, texts.shape, images.dtype) == ((2, 16), (3, 16), np.float32)
    for vectors in (images, texts):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


def test_the_same_weights_have_the_same_revision(folder: Path, tmp_path: Path) -> None:
    again = save_tiny(tmp_path / "again")
    assert load_model(settings(folder)).info.revision == load_model(settings(again)).info.revision


def test_clip_and_siglip_are_calibrated_each_in_its_way(folder: Path, tmp_path: Path) -> None:
    clip = load_model(settings(folder)).calibration
    assert isinstance(clip, NeutralCalibration)
    assert (clip.threshold_on, clip.threshold) == ("cosine", 0.25)
    siglip = load_model(settings(save_tiny(tmp_path / "siglip", init_logit_bias=-10.0))).calibration
    assert isinstance(siglip, SigmoidCalibration)
    assert siglip.bias == pytest.approx(-10)


def test_words_in_other_scripts_are_unknown(folder: Path) -> None:
    model = load_model(settings(folder)).model
    assert isinstance(model, OpenClip)
    assert model.unknown_words("a 猫 and a café") == ["猫"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("open_clip:ViT-Z-99/x", "no architecture"),
        ("open_clip:ViT-B-32/nonsense", "laion2b_s34b_b79k"),
        ("path:/nowhere", "no dual encoder in /nowhere"),
    ],
)
def test_models_that_cannot_be_had(folder: Path, model: str, reason: str) -> None:
    with pytest.raises((ValueError, OSError), match=reason):
        load_model(settings(folder, tagger_model=model))
