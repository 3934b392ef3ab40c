"""The headers of every answer."""

import pytest
from fastapi.testclient import TestClient

from framesense.http.app import create_service
from framesense.http.security_headers import API_POLICY, DOCUMENTATION_POLICY


@pytest.fixture
def client() -> TestClient:
    return TestClient(create_service("test"), base_url="http://localhost")


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/metrics", "/openapi.json"])
def test_answers_that_hold_no_script(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == API_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in API_POLICY and "default-src 'none'" in API_POLICY


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation(client: TestClient, path: str) -> None:
    assert client.get(path).headers["content-security-policy"] == DOCUMENTATION_POLICY
    assert "frame-ancestors 'none'" in DOCUMENTATION_POLICY


def test_refusals_have_them_too(client: TestClient) -> None:
    answer = client.get("/health", headers={"host": "evil.example"})
    assert answer.status_code == 421
    assert answer.headers["content-security-policy"] == API_POLICY
