"""The OpenCLIP path on a tiny model of random weights, saved as OpenCLIP does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tagger.models.factory import load_model
from tagger.models.openclip import OpenClip
from tagger.settings import TaggerSettings
from tagger.tags.calibration import NeutralCalibration, SigmoidCalibration
from tests.support import tiny_models as tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.open_clip(tmp_path_factory.mktemp("open-clip") / "tiny")


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
    again = tiny.open_clip(tmp_path / "again")
    assert load_model(settings(folder)).info.revision == load_model(settings(again)).info.revision


def test_in_bfloat16_it_is_the_same_model_and_sees_the_same(folder: Path) -> None:
    whole, half = load_model(settings(folder)), load_model(settings(folder, tagger_dtype="bfloat16"))
    assert half.info.dtype == "bfloat16"
    assert (half.info.revision, half.model.logit_scale) == (whole.info.revision, whole.model.logit_scale)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), np.uint8)
    photos = torch.stack([whole.model.preprocess(picture) for picture in pictures])
    alike = whole.model.encode_images(photos) * half.model.encode_images(photos)
    np.testing.assert_allclose(alike.sum(axis=1), 1, atol=0.01)


def test_clip_and_siglip_are_calibrated_each_in_its_way(folder: Path, tmp_path: Path) -> None:
    clip = load_model(settings(folder)).calibration
    assert isinstance(clip, NeutralCalibration)
    assert (clip.threshold_on, clip.threshold) == ("cosine", 0.25)
    siglip = load_model(settings(tiny.open_clip(tmp_path / "siglip", init_logit_bias=-10.0))).calibration
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
