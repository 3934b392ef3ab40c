"""CLIP, SigLIP and SigLIP 2 in transformers' format: tiny ones of random weights. Behind a running tagger and a
gateway: test_tagger_families.py."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from tagger.models.factory import load_model
from tagger.models.transformers_dual import TransformersDual
from tagger.settings import TaggerSettings
from tagger.tags.calibration import NeutralCalibration, SigmoidCalibration
from tests.support import tiny_models as tiny
from tests.support.switching import save_all

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_all({name: make for name, (make, *_) in tiny.DUALS.items()}, tmp_path_factory.mktemp("duals"))


def settings(folder: Path, **changes: object) -> TaggerSettings:
    return TaggerSettings(tagger_model=f"path:{folder}", tagger_device="cpu", tagger_dtype="float32", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", tiny.DUALS)
def test_pictures_and_texts_meet_as_transformers_itself_says(folder: Path, name: str) -> None:
    _, family, dimensions = tiny.DUALS[name]
    loaded = load_model(settings(folder / name))
    model = loaded.model
    assert isinstance(model, TransformersDual)
    assert (loaded.info.family, model.dimensions, len(loaded.info.revision)) == (family, dimensions, 12)
    pictures = [data.astronaut(), data.coffee()[:, :300], data.rocket()]
    images = model.encode_images(torch.stack([model.preprocess(picture) for picture in pictures]))
    texts = model.encode_texts(["a photo of a cat", "two dogs"])
    for vectors in (images, texts):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert not np.allclose(images[0], images[1], atol=1e-3)

    whole = model._model
    made = model._image_processor(pictures, return_tensors="pt")
    padding = True if family == "clip" else "max_length"
    tokens = model._tokenizer(
        ["a photo of a cat", "two dogs"], padding=padding, max_length=model._longest, return_tensors="pt"
    )
    keep = ("input_ids", "attention_mask") if family == "clip" else ("input_ids",)
    with torch.inference_mode():
        logits = whole(**made, **{key: tokens[key] for key in keep}).logits_per_image.numpy()
    own = model.logit_scale * (images @ texts.T) + (model.logit_bias or 0)
    np.testing.assert_allclose(own, logits, atol=1e-3)


def test_each_is_calibrated_in_its_way(folder: Path) -> None:
    assert isinstance(load_model(settings(folder / "clip")).calibration, NeutralCalibration)
    sigmoid = load_model(settings(folder / "siglip2-naflex")).calibration
    assert isinstance(sigmoid, SigmoidCalibration)
    assert sigmoid.bias == pytest.approx(-10)


@pytest.mark.parametrize("name", tiny.DUALS)
def test_a_pictures_embedding_does_not_depend_on_its_batch(folder: Path, name: str) -> None:
    model = load_model(settings(folder / name)).model
    photos = [model.preprocess(picture) for picture in (data.astronaut(), data.chelsea())]
    together = model.encode_images(torch.stack(photos))
    for photo, expected in zip(photos, together, strict=True):
        np.testing.assert_allclose(model.encode_images(photo[None])[0], expected, atol=1e-5)


def test_another_family_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "blip"}))
    with pytest.raises(ValueError, match="'blip'; known dual encoders are clip, siglip, siglip2"):
        load_model(settings(tmp_path))


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_compiled_for_fixed_sizes_it_says_the_same(folder: Path, name: str) -> None:
    model = load_model(settings(folder / name)).model
    assert isinstance(model, TransformersDual)
    photos = torch.stack([model.preprocess(picture) for picture in (data.astronaut(), data.chelsea(), data.coffee())])
    before = model.encode_images(photos)
    torch._dynamo.reset()
    model.compile(2, backend="eager")
    np.testing.assert_allclose(model.encode_images(photos), before, atol=1e-5)


def test_naflex_is_not_compiled(folder: Path) -> None:
    model = load_model(settings(folder / "siglip2-naflex")).model
    assert isinstance(model, TransformersDual)
    with pytest.raises(ValueError, match="TAGGER_COMPILE=false"):
        model.compile(4)
