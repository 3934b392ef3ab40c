"""What every service gets from the factory: ids, problem documents, health, readiness, metrics."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from httpx import Response
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from pydantic import BaseModel, ConfigDict

from framesense.http.app import create_service
from framesense.http.browsers import BrowserPolicy
from framesense.http.hosts import AllowedHosts
from framesense.http.problems import ProblemError
from framesense.schemas.problems import MEDIA_TYPE, Problem


def application(*failures: str) -> FastAPI:
    async def passes() -> None:
        return

    def fails(reason: str) -> None:
        raise RuntimeError(reason)

    async def failing() -> None:
        fails(" and ".join(failures))

    registry = CollectorRegistry()
    Gauge("of_its_own", "a metric of the service", registry=registry).set(3)
    checks = {"good": passes} | ({"bad": failing} if failures else {})
    browsers = BrowserPolicy(AllowedHosts(["testserver"]))
    app = create_service("test", checks=checks, registry=registry, browsers=browsers)

    @app.get("/teapot/{name}")
    async def teapot(name: str, cups: int = Query(1, ge=1)) -> dict[str, int]:
        if name == "short":
            raise ProblemError(418, "teapot", "Teapot", "Short and stout.", headers={"Retry-After": "7"})
        if name == "broken":
            raise RuntimeError("secret reason")
        return {"cups": cups}

    return app


@pytest.fixture
def client() -> TestClient:
    return TestClient(application(), raise_server_exceptions=False)


def problem(answer) -> Problem:  # type: ignore[no-untyped-def]
    assert answer.headers["content-type"] == MEDIA_TYPE
    found = Problem.model_validate(answer.json())
    assert found.status == answer.status_code
    return found


def test_a_problem_error_becomes_a_problem_document(client: TestClient) -> None:
    answer = client.get("/teapot/short")
    told = problem(answer)
    assert answer.status_code == 418
    assert (told.type, told.title, told.detail) == ("urn:framesense:problem:teapot", "Teapot", "Short and stout.")
    assert told.request_id == answer.headers["x-request-id"]
    assert answer.headers["retry-after"] == "7"


def test_an_unexpected_error_tells_nothing_but_where_to_look(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/teapot/broken", headers={"X-Request-ID": "find-me"})
    assert answer.status_code == 500
    assert "find-me" in problem(answer).detail
    assert "secret" not in answer.text
    assert "find-me" in caplog.text and "secret reason" in caplog.text


def test_a_wrong_parameter_is_named(client: TestClient) -> None:
    told = problem(client.get("/teapot/x", params={"cups": 0}))
    assert told.status == 422
    assert told.model_extra is not None
    assert told.model_extra["faults"][0]["parameter"] == "cups"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("POST", "/teapot/x", 405)])
def test_the_frameworks_own_errors_are_problems_too(client: TestClient, method: str, path: str, status: int) -> None:
    assert problem(client.request(method, path)).status == status


def test_a_plain_request_id_is_kept_and_another_replaced(client: TestClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "a-1_b.c"}).headers["x-request-id"] == "a-1_b.c"
    for strange in ("", "a b", "x" * 65, "<script>"):
        answer = client.get("/health", headers={"X-Request-ID": strange})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


def test_readiness() -> None:
    assert TestClient(application()).get("/ready").json() == {"status": "ready", "checks": ["good"]}
    answer = TestClient(application("the disk is full")).get("/ready")
    assert problem(answer).detail == "bad: the disk is full"
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_metrics_by_route_not_by_path(client: TestClient) -> None:
    for name in ("a", "b", "short"):
        client.get(f"/teapot/{name}")
    client.get("/nothing")
    told = client.get("/metrics").text
    assert 'http_requests_total{method="GET",route="/teapot/{name}",status="200"} 2.0' in told
    assert 'http_requests_total{method="GET",route="/teapot/{name}",status="418"} 1.0' in told
    assert 'route="unmatched",status="404"' in told
    assert "of_its_own 3.0" in told


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_documentation_pages_need_no_network(page: str) -> None:
    client = TestClient(application())
    html = client.get(page).text
    sources = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert sources and all(source.startswith("/") for source in sources)
    for source in sources:
        assert client.get(source).status_code == 200


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    texts: list[str] = []


def post_json(body: bytes) -> Response:
    """Return the answer of a route that takes a JSON document and returns it."""
    app = application()

    @app.post("/strict")
    async def strict(strict: Strict) -> Strict:
        return strict

    client = TestClient(app, raise_server_exceptions=False)
    return client.post("/strict", content=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    "body",
    [
        rb'{"\ud800": 1}',
        rb'{"name": "\ud800"}',
        rb'{"name": "x", "texts": ["\udfff"]}',
        b'{"name": "x", "texts": ' + b"[" * 100_000,
        b'{"name": ' + b"1" * 5000 + b"}",
        b'{"name": "\xff"}',
        b"\xff\xfe",
        b"",
    ],
)
def test_json_of_any_kind_is_a_problem_of_4xx(body: bytes) -> None:
    assert 400 <= problem(post_json(body)).status < 500


def test_json_behind_a_byte_order_mark_is_read() -> None:
    assert post_json(b'\xef\xbb\xbf{"name": "x"}').json() == {"name": "x", "texts": []}


def test_a_whole_utf_16_pair_is_a_text() -> None:
    assert post_json(rb'{"name": "\ud83d\ude00"}').json()["name"] == "😀"


@given(st.binary(max_size=100))
@example("é".encode("latin-1"))
@example("٣".encode())
@example(b"\xb2")
@example(b"x" * 65)
def test_a_request_id_of_any_bytes_breaks_nothing(sent: bytes) -> None:
    answer = TestClient(application()).get("/health", headers=[(b"X-Request-ID", sent)])
    assert answer.status_code == 200
    found = answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", found) or found.encode() == sent
    assert found.isascii()


def test_head_is_answered_as_get_without_the_body(client: TestClient) -> None:
    for path in ("/health", "/metrics", "/openapi.json", "/teapot/short", "/nothing"):
        got, asked = client.get(path), client.head(path)
        assert (asked.status_code, asked.content) == (got.status_code, b"")
        assert asked.headers["content-type"] == got.headers["content-type"]
    assert client.head("/health").headers["content-length"] == client.get("/health").headers["content-length"]


def test_head_of_a_stream_without_end_ends() -> None:
    app, closed = application(), threading.Event()

    async def ticks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick"
                await asyncio.sleep(0)
        finally:
            closed.set()

    @app.get("/ticks")
    async def endless() -> StreamingResponse:
        return StreamingResponse(ticks(), headers={"X-Ticks": "yes"})

    answer = TestClient(app).head("/ticks")
    assert (answer.status_code, answer.content, answer.headers["x-ticks"]) == (200, b"", "yes")
    assert closed.wait(timeout=10)


def test_a_route_that_answers_head_itself_is_asked() -> None:
    app = application()

    @app.head("/own")
    async def own() -> None:
        raise ProblemError(418, "teapot", "Teapot", "Short.", headers={"X-Own": "yes"})

    answer = TestClient(app).head("/own")
    assert (answer.status_code, answer.headers["x-own"]) == (418, "yes")
