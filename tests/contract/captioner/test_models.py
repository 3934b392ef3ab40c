"""What the captioner tells of its model, its load and its API."""

import pytest
from fastapi.testclient import TestClient

from framesense.schemas.models import ModelPhase, ModelsResponse, ModelState
from tests.support.captioner_api import CHELSEA, COFFEE, captions, post, problem


def test_models(client: TestClient) -> None:
    (model,) = ModelsResponse.model_validate_json(client.get("/models").content).models
    assert (model.service, model.name, model.family) == ("captioner", "embedded", "show-attend-tell")
    assert model.dtype == "float32"
    assert model.revision


def test_what_is_loaded(client: TestClient) -> None:
    (state,) = ModelsResponse.model_validate_json(client.get("/models").content).states
    assert (state.service, state.model, state.state, state.device) == ("captioner", "embedded", ModelPhase.READY, "cpu")
    assert (state.process_bytes or 0) > 10_000_000
    assert state.in_use == 0
    assert state.idle_since is not None


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"model": "gpt"}, 422, "hf:ORG/NAME"),
        ({"model": "open_clip:ViT-B-32/laion2b"}, 422, "no captioning model"),
        ({"model": "path:/etc"}, 403, "MODEL_FOLDERS"),
        ({}, 422, "model"),
    ],
)
def test_models_that_cannot_be_switched_to(client: TestClient, body: dict[str, str], status: int, word: str) -> None:
    found = problem(client.put("/models", json=body))
    assert found.status == status
    assert word in found.detail
    assert len(captions(post(client, CHELSEA))) == 1


def test_the_model_that_answers_already_need_not_be_loaded(client: TestClient) -> None:
    answer = client.put("/models", json={"model": "embedded"})
    assert answer.status_code == 200
    assert ModelState.model_validate(answer.json()).state is ModelPhase.READY


def test_metrics_tell_of_batches_and_the_queue(client: TestClient) -> None:
    post(client, CHELSEA, COFFEE)
    text = client.get("/metrics").text
    assert "captioner_batch_images_bucket" in text
    assert "captioner_queue_images 0.0" in text
    assert 'http_requests_total{method="POST",route="/caption",status="200"}' in text


def test_openapi_shows_the_upload_and_the_limits(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/caption"]["post"]
    assert "multipart/form-data" in operation["requestBody"]["content"]
    (beams,) = [p["schema"] for p in operation["parameters"] if p["name"] == "beams"]
    assert (beams["default"], beams["minimum"], beams["maximum"]) == (4, 1, 5)
    assert {"200", "413", "415", "422", "503"} <= operation["responses"].keys()
