"""Model servers answer those who know the token."""

import pytest
from starlette.testclient import TestClient

from framesense.access.service_token import ServiceTokenGuard, token_headers
from framesense.http.app import create_service
from framesense.schemas.problems import Problem


@pytest.fixture
def client() -> TestClient:
    app = create_service("guarded", guard=lambda app: ServiceTokenGuard(app, token="the-token"))
    return TestClient(app, base_url="http://localhost")


@pytest.mark.parametrize("path", ["/metrics", "/models", "/docs", "/openapi.json", "/", "/health/", "/ready/x"])
@pytest.mark.parametrize(
    "headers", [{}, token_headers("guess"), {"Authorization": "Bearer thé"}, {"Authorization": "x"}]
)
def test_whoever_does_not_know_the_token_is_refused(client: TestClient, path: str, headers: dict[str, str]) -> None:
    answer = client.get(path, headers={name: value.encode("latin-1") for name, value in headers.items()})
    assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")
    told = Problem.model_validate(answer.json())
    assert "Call the gateway" in told.detail and told.request_id == answer.headers["x-request-id"]


def test_whoever_knows_it_is_let_through(client: TestClient) -> None:
    assert client.get("/metrics", headers=token_headers("the-token")).status_code == 200
    assert client.get("/models", headers=token_headers("the-token")).status_code == 404


def test_health_and_readiness_are_for_everybody(client: TestClient) -> None:
    assert client.get("/health").status_code == 200 and client.get("/ready").status_code == 200
    assert client.head("/health").status_code == 200


def test_no_token_is_no_header() -> None:
    assert token_headers("") == {}
