"""Which models are loaded, and switching them, through the gateway. With real model servers:
test_captioner_families.py, test_tagger_families.py and test_edits_families.py in tests/integration."""

from pathlib import Path

from framesense.schemas.models import ModelServers
from tests.support.gateway_process import Gateway, problem, running_gateway

BODY = {"model": "embedded"}


def test_there_is_no_such_model_server(gateway: Gateway) -> None:
    told = problem(gateway.http.put("/models/painter", json=BODY), 404)
    assert "captioner, tagger, editor" in told.detail


def test_a_name_is_needed(gateway: Gateway) -> None:
    assert "model" in problem(gateway.http.put("/models/tagger", json={}), 422).detail


def test_the_wish_reaches_the_model_server(gateway: Gateway) -> None:
    gateway.tagger.reset()
    answer = gateway.http.put("/models/tagger", json=BODY, headers={"Prefer": "wait=7"})
    assert answer.status_code == 200
    (asked,) = gateway.tagger.requests
    assert (asked.method, asked.path, asked.query) == ("PUT", "/models", {"wait": "7.0"})
    assert b'"embedded"' in asked.body


def test_a_model_server_that_is_gone_is_told(gateway: Gateway) -> None:
    answer = gateway.http.put("/models/editor", json=BODY)
    assert "editor does not answer" in problem(answer, 503).detail
    assert int(answer.headers["retry-after"]) > 0
    unavailable = ModelServers.model_validate(gateway.http.get("/models").json()).unavailable
    assert "editor does not answer" in unavailable["editor"]


def test_switching_may_be_forbidden(redis_url: str, tmp_path: Path) -> None:
    with running_gateway(redis_url, tmp_path, allow_model_switch=False) as gateway:
        told = problem(gateway.http.put("/models/tagger", json=BODY), 403)
        assert "ALLOW_MODEL_SWITCH=true" in told.detail
        assert gateway.tagger.requests == []
