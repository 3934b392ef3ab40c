"""CLIP, SigLIP and SigLIP 2 in transformers' format: tiny ones of random weights, through the real tagger."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from fastapi.testclient import TestClient
from skimage import data

from framesense.schemas.arrays import to_numpy
from framesense.schemas.models import ModelState
from framesense.schemas.tags import ImageEmbeddings, TagsResponse
from tagger.app import create_app
from tagger.calibration import NeutralCalibration, SigmoidCalibration
from tagger.models.factory import load_model
from tagger.models.transformers_dual import TransformersDual
from tagger.settings import TaggerSettings
from tests import tiny

PHOTOS = Path(skimage.__file__).parent / "data"
MAKERS: dict[str, tuple[Callable[[Path], Path], str, int]] = {
    "clip": (tiny.clip, "clip", 16),
    "siglip": (tiny.siglip, "siglip", 32),
    "siglip2-naflex": (tiny.siglip2_naflex, "siglip2", 32),
}
"""What makes it, its family, its dimensions."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("duals")
    for name, (make, *_) in MAKERS.items():
        make(folder / name)
    return folder


def settings(folder: Path, **changes: object) -> TaggerSettings:
    return TaggerSettings(tagger_model=f"path:{folder}", tagger_device="cpu", tagger_dtype="float32", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MAKERS)
def test_pictures_and_texts_meet_as_transformers_itself_says(folder: Path, name: str) -> None:
    _, family, dimensions = MAKERS[name]
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


@pytest.mark.parametrize("name", MAKERS)
def test_a_pictures_embedding_does_not_depend_on_its_batch(folder: Path, name: str) -> None:
    model = load_model(settings(folder / name)).model
    photos = [model.preprocess(picture) for picture in (data.astronaut(), data.chelsea())]
    together = model.encode_images(torch.stack(photos))
    for photo, expected in zip(photos, together, strict=True):
        np.testing.assert_allclose(model.encode_images(photo[None])[0], expected, atol=1e-5)


@pytest.fixture(scope="module")
def client(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    chosen = settings(folder / "clip", model_folders=[folder], storage_url=str(tmp_path_factory.mktemp("blobs")))
    with TestClient(create_app(chosen)) as client:
        while (answer := client.get("/ready")).status_code != 200:
            assert "being loaded" in answer.text, answer.text
            threading.Event().wait(0.05)
        yield client


def test_switched_at_run_time_each_answers_in_its_own_space(client: TestClient, folder: Path) -> None:
    files = [("images", (name, (PHOTOS / name).read_bytes(), "image/png")) for name in ("chelsea.png", "coffee.png")]
    made = client.post("/classifiers", json={"name": "pets", "labels": ["cat", "dog"]})
    assert made.status_code == 201, made.text
    for name, (_, family, dimensions) in MAKERS.items():
        answer = client.put("/models", params={"wait": 120}, json={"model": f"path:{folder / name}"})
        assert answer.status_code == 200, answer.text
        assert ModelState.model_validate(answer.json()).model.endswith(name)
        embedded = ImageEmbeddings.model_validate(client.post("/embed/images", files=files).json())
        assert to_numpy(embedded.embeddings).shape == (2, dimensions)
        tags = TagsResponse.model_validate(client.post("/tags", files=files, data={"labels": ["cat", "dog"]}).json())
        assert (tags.model.family, len(tags.images)) == (family, 2)
        classified = client.post("/classifiers/pets/classify", files=files)
        assert classified.status_code == (200 if name == "clip" else 409), classified.text


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
