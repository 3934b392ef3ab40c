"""The worker's client of the tagger, against the real one with the embedded model."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import skimage
import torch
from PIL import Image

from framesense.clients.retry import RetryPolicy
from framesense.clients.tagger import TaggerClient, TaggerUnavailable, TagQuestion
from framesense.http.problems import ProblemError
from framesense.models.encoders.efficientnet_lite2 import encode_pooled, load_encoder, squash
from framesense.schemas.tags import LabelSetContent, NewLabelSet, ThresholdOn
from tagger.app import create_app
from tagger.settings import TaggerSettings
from tests.support.clock import SteppingClock
from tests.support.gateway_process import served
from tests.support.waiting import wait_until
from tools.processes import free_port

PHOTOS = Path(skimage.__file__).parent / "data"
PICTURES = [np.asarray(Image.open(PHOTOS / name).convert("RGB")) for name in ("chelsea.png", "coffee.png")]
LABELS = ["cat", "cup, of coffee", "rocket"]
QUESTION = TagQuestion(labels=LABELS, templates=["a photo of a {label}", "a picture, of a {label}"])

pytestmark = pytest.mark.timeout(240)  # a model is loaded


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaggerClient]:
    settings = TaggerSettings(storage_url=str(tmp_path_factory.mktemp("blobs")), tagger_dtype="float32")
    with served(create_app(settings)) as (url, _), TaggerClient(url) as client:
        wait_until(lambda: httpx.get(f"{url}/ready", timeout=30).status_code == 200, interval=0.1)
        new = NewLabelSet(name="animals", **LabelSetContent(labels=["cat"], templates=["my {label}"]).model_dump())
        httpx.post(f"{url}/label-sets", json=new.model_dump()).raise_for_status()
        yield client


def test_tags_and_scores_of_pictures(client: TaggerClient) -> None:
    found = client.tag(PICTURES, QUESTION)
    assert found.cosine.shape == found.probability.shape == found.tagged.shape == (2, 3)
    assert found.probability.argmax(axis=1).tolist() == [0, 1]
    assert found.tagged.diagonal().all()
    assert found.model == client.model()
    np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1, rtol=1e-3)
    embedded = client.embed(PICTURES)
    assert embedded.model == found.model
    np.testing.assert_allclose(embedded.embeddings, found.embeddings, atol=1e-3)


def test_features_in_place_of_pictures(client: TaggerClient) -> None:
    with torch.inference_mode():
        pixels = torch.stack([squash(picture) for picture in PICTURES])
        features = encode_pooled(load_encoder(), pixels, torch.float32).numpy()
    encoder = client.model().encoder
    assert encoder is not None
    by_features, by_pictures = client.embed_features(features, encoder), client.embed(PICTURES)
    assert by_features.model == by_pictures.model
    np.testing.assert_allclose(by_features.embeddings, by_pictures.embeddings, atol=2e-3)
    with pytest.raises(ProblemError) as refused:
        client.embed_features(features, "another@1")
    assert refused.value.status == 409


def test_the_threshold_and_the_most_tags_are_passed_on(client: TaggerClient) -> None:
    everything = TagQuestion(LABELS, QUESTION.templates, threshold=-1, threshold_on=ThresholdOn.COSINE)
    found = client.tag(PICTURES, everything)
    assert found.tagged.all()
    assert (found.threshold, found.threshold_on) == (-1, ThresholdOn.COSINE)
    two = TagQuestion(LABELS, QUESTION.templates, threshold=-1, threshold_on=ThresholdOn.COSINE, top_k=2)
    assert client.tag(PICTURES, two).tagged.sum(axis=1).tolist() == [2, 2]
    one = TagQuestion(["cup, of coffee"], QUESTION.templates)
    assert client.tag(PICTURES, one).tagged.shape == (2, 1)


def test_label_sets_and_refusals(client: TaggerClient) -> None:
    assert client.label_set("animals").templates == ["my {label}"]
    with pytest.raises(ProblemError) as unknown:
        client.label_set("nothing")
    assert unknown.value.status == 404
    with pytest.raises(ProblemError) as refused:
        client.tag(PICTURES, TagQuestion(["cat"], ["no place for it"]))
    assert refused.value.status == 422


def test_no_tagger_is_told_after_the_last_attempt() -> None:
    clock = SteppingClock()
    address, retry = f"http://127.0.0.1:{free_port()}", RetryPolicy(1.5)
    with (
        TaggerClient(address, retry=retry, sleep=clock.sleep, clock=clock) as client,
        pytest.raises(TaggerUnavailable, match="3 attempts"),
    ):
        client.tag(PICTURES, QUESTION)
    assert clock.pauses == [0.5, 1.0]
