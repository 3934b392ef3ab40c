"""The table of scopes: every route has a rule, and every rule a route."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from framesense.schemas.access import Scope
from gateway.access.rules import OPEN, SCOPES, AccessRules
from gateway.app import create_app
from gateway.settings import GatewaySettings

RULES = AccessRules()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    folder = tmp_path_factory.mktemp("gateway")
    return create_app(GatewaySettings(storage_url=str(folder), upload_folder=folder / "incoming"))


@pytest.fixture(scope="module")
def routes(app: FastAPI) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}


def test_every_route_has_a_rule(routes: set[tuple[str, str]]) -> None:
    assert len(routes) > 80
    assert [route for route in sorted(routes) if RULES.find(*route) is None] == []


def test_every_rule_has_a_route(routes: set[tuple[str, str]]) -> None:
    pages = ("/docs", "/redoc", "/openapi.json", "/static-offline-docs/")
    rules = [row.split(" ", 1) for row in (*OPEN, *(row for rows in SCOPES.values() for row in rows))]
    known = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in routes}

    def is_of_a_route(method: str, path: str) -> bool:
        start, wild, _ = path.partition("{part:path}")
        named = re.sub(r"\{\w+\}", "{}", start)
        return any(method == m and (p.startswith(named) if wild else p == named) for m, p in known)

    assert [rule for rule in rules if not rule[1].startswith(pages) and not is_of_a_route(*rule)] == []


def test_reading_is_what_read_is_for(routes: set[tuple[str, str]]) -> None:
    changing = {(m, p) for m, p in routes if m not in ("GET", "OPTIONS") and RULES.required(m, p) is Scope.READ}
    assert changing == {("POST", "/internal/progress")}, "it reads: its question is a JSON document"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/health", None),
        ("HEAD", "/ready", None),
        ("GET", "/docs", None),
        ("GET", "/static-offline-docs/swagger-ui.css", None),
        ("POST", "/session", None),
        ("GET", "/metrics", Scope.ADMIN),
        ("PUT", "/models/captioner", Scope.ADMIN),
        ("GET", "/jobs/abc/frames/3.jpg", Scope.READ),
        ("HEAD", "/jobs/abc/video", Scope.READ),
        ("DELETE", "/jobs/abc", Scope.SUBMIT),
        ("HEAD", "/uploads/abc", Scope.SUBMIT),
        ("GET", "/sdapi/v1/options", Scope.READ),
        ("POST", "/sdapi/v1/options", Scope.SUBMIT),
        ("GET", "/nowhere", Scope.ADMIN),
        ("PATCH", "/jobs/abc", Scope.ADMIN),
        ("GET", "/health/x", Scope.ADMIN),
        ("GET", "/health/", None),
        ("GET", "/jobs/", Scope.READ),
        ("GET", "/health?/jobs", Scope.ADMIN),
    ],
)
def test_scopes_of_some_requests(method: str, path: str, scope: Scope | None) -> None:
    assert RULES.required(method, path) is scope


def test_the_description_tells_scopes_and_refusals(app: FastAPI) -> None:
    document = app.openapi()
    assert app.openapi() is document
    assert set(document["components"]["securitySchemes"]) == {"bearer", "basic", "session"}
    deletion = document["paths"]["/jobs/{job_id}"]["delete"]
    assert {"bearer": ["submit"]} in deletion["security"] and {"401", "403", "429"} <= deletion["responses"].keys()
    assert {} in deletion["security"], "none of them is required here"
    assert document["paths"]["/health"]["get"]["security"] == []


def test_the_description_requires_keys_where_the_gateway_does(tmp_path: Path) -> None:
    settings = GatewaySettings(require_keys="always", storage_url=str(tmp_path), upload_folder=tmp_path / "incoming")
    paths = create_app(settings).openapi()["paths"]
    assert {} not in paths["/jobs"]["get"]["security"] and len(paths["/jobs"]["get"]["security"]) == 3
