"""Tags, similarities, label sets and classifiers at the gateway: passed on as they are, refused over a limit; and a
tagger that is away, busy or slow. What the real one answers: tests/integration/gateway/test_tagger.py."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from fastapi import Response

from framesense.schemas.models import ModelServers
from framesense.schemas.problems import MEDIA_TYPE
from tests.support.gateway_process import MODEL, Gateway, problem
from tests.support.waiting import wait_until

NEW = {"name": "rooms", "labels": ["kitchen", "bathroom"]}
FORMS = [
    ("/tags", {"encoding_format": "base64"}),
    ("/similarity", {"encoding_format": "float"}),
    ("/classifiers/upload", {"name": "other"}),
    ("/classifiers/rooms/classify", {}),
    ("/classifiers/rooms/evaluate", {}),
    ("/classifiers/rooms/improve", {"new_name": "better"}),
]
DOCUMENTS = [("POST", "/label-sets"), ("PUT", "/label-sets/rooms"), ("POST", "/classifiers")]
BARE = [
    ("GET", "/label-sets"),
    ("GET", "/label-sets/rooms"),
    ("DELETE", "/label-sets/rooms"),
    ("GET", "/classifiers"),
    ("GET", "/classifiers/rooms"),
    ("GET", "/classifiers/rooms/head"),
    ("DELETE", "/classifiers/rooms"),
]


def image_form(*sizes: int, field: str = "images") -> list[tuple[str, tuple[str, bytes, str]]]:
    return [(field, (f"{n}.png", bytes(size), "image/png")) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(("path", "query"), FORMS)
def test_a_form_reaches_the_tagger_byte_for_byte(gateway: Gateway, path: str, query: dict[str, str]) -> None:
    form = httpx.Request(
        "POST", gateway.http.base_url, files=image_form(2000), data={"labels": ["kitchen", "bath, tub"]}
    )
    body, headers = form.read(), {"Content-Type": form.headers["content-type"], "X-Request-ID": "my-request"}
    answer = gateway.http.post(path, params=query, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {})
    (asked,) = gateway.tagger.requests
    assert (asked.method, asked.path, asked.query, asked.body) == ("POST", path, query, body)
    assert asked.headers["content-type"] == headers["Content-Type"]
    assert asked.headers["x-request-id"] == answer.headers["x-request-id"] == "my-request"


@pytest.mark.parametrize(("method", "path"), DOCUMENTS)
def test_a_document_reaches_the_tagger(gateway: Gateway, method: str, path: str) -> None:
    assert gateway.http.request(method, path, json=NEW).status_code == 200
    (asked,) = gateway.tagger.requests
    assert (asked.method, asked.path, json.loads(asked.body)) == (method, path, NEW)
    assert asked.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("method", "path"), BARE)
def test_what_has_no_body_is_passed_on_without_one(gateway: Gateway, method: str, path: str) -> None:
    assert gateway.http.request(method, path).status_code == 200
    (asked,) = gateway.tagger.requests
    assert (asked.method, asked.path, asked.body) == (method, path, b"")


def test_a_download_keeps_its_name(gateway: Gateway) -> None:
    name = {"Content-Disposition": 'attachment; filename="rooms.safetensors"'}
    gateway.tagger.answer = Response(b"\x00head", media_type="application/octet-stream", headers=name)
    answer = gateway.http.get("/classifiers/rooms/head")
    assert answer.content == b"\x00head"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == name["Content-Disposition"]


def test_an_empty_answer_stays_empty(gateway: Gateway) -> None:
    gateway.tagger.answer = Response(status_code=204)
    answer = gateway.http.delete("/classifiers/rooms")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers


def test_the_taggers_problems_are_passed_on(gateway: Gateway) -> None:
    document = {"type": "urn:framesense:problem:busy", "title": "Busy", "status": 503, "detail": "Full.", "place": 3}
    gateway.tagger.answer = Response(json.dumps(document), 503, {"Retry-After": "7"}, MEDIA_TYPE)
    answer = gateway.http.post("/tags", files=image_form(10))
    assert answer.status_code == 503
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == document


@pytest.mark.parametrize(
    ("path", "sizes", "told"),
    [
        ("/tags", [10] * 4, "3 files"),
        ("/tags", [100_001], "100,000"),
        ("/similarity", [90_000, 90_000, 90_000], "200,000"),
        ("/classifiers/rooms/classify", [10] * 4, "3 files"),
        ("/classifiers/upload", [50_001], "50,000"),
        ("/classifiers/upload", [10] * 2, "1 files"),
        ("/classifiers/rooms/evaluate", [10] * 6, "5 files"),
        ("/classifiers/rooms/improve", [200_000], "200,000"),
    ],
)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_too_much_is_refused_at_the_door(
    gateway: Gateway, path: str, sizes: list[int], told: str, declared: bool
) -> None:
    form = httpx.Request("POST", gateway.http.base_url, files=image_form(*sizes))
    body, headers = form.read(), {"Content-Type": form.headers["content-type"]}
    answer = gateway.http.post(path, content=body if declared else _pieces(body), headers=headers)
    assert told in problem(answer, 413).detail
    assert gateway.tagger.requests == []


def test_as_much_as_is_taken(gateway: Gateway) -> None:
    assert gateway.http.post("/tags", files=image_form(66_000, 66_000, 66_000)).status_code == 200
    assert gateway.http.post("/classifiers/rooms/evaluate", files=image_form(*[10] * 5)).status_code == 200
    assert gateway.http.post("/classifiers/upload", files=image_form(50_000, field="head")).status_code == 200


@pytest.mark.parametrize(("method", "path"), DOCUMENTS)
def test_a_large_document_is_refused(gateway: Gateway, method: str, path: str) -> None:
    answer = gateway.http.request(method, path, json={**NEW, "labels": ["label"] * 2000})
    assert "10,000" in problem(answer, 413).detail
    assert gateway.tagger.requests == []


@pytest.mark.parametrize("path", [path for path, _ in FORMS])
def test_what_is_no_form_is_refused(gateway: Gateway, path: str) -> None:
    assert "curl -F" in problem(gateway.http.post(path, json=NEW), 415).detail
    assert "curl -F" in problem(gateway.http.post(path), 415).detail
    broken = {"content": b"--x\r\nno header\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}
    problem(gateway.http.post(path, **broken), 400)  # type: ignore[arg-type]
    assert gateway.tagger.requests == []


@pytest.mark.parametrize("name", ["..", ".hidden", "a b", "🐱", "x" * 65, "a%3Fb", "a%00"])
def test_names_that_lead_elsewhere_are_refused(gateway: Gateway, name: str) -> None:
    path = "%2E%2E" if name == ".." else name
    for kind in ("label-sets", "classifiers"):
        answer = raw(gateway, f"GET /{kind}/{quote(path, safe='%')} HTTP/1.1")
        assert b" 422 " in answer.split(b"\r\n")[0], answer
    assert gateway.tagger.requests == []


def test_wrong_options_are_refused(gateway: Gateway) -> None:
    answer = gateway.http.post("/tags", params={"encoding_format": "hex"}, files=image_form(10))
    assert "encoding_format" in problem(answer, 422).detail


def test_a_tagger_that_is_gone_is_told(fresh_gateway: Gateway) -> None:
    fresh_gateway.tagger.stop()
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/tags", {"files": image_form(99_000)}),
        ("POST", "/classifiers", {"json": NEW}),
        ("GET", "/classifiers", {}),
    ]
    for method, path, options in requests:
        answer = fresh_gateway.http.request(method, path, **options)
        told = problem(answer, 503)
        assert told.type.endswith("tagger-unavailable")
        assert "tagger does not answer" in told.detail
        assert int(answer.headers["retry-after"]) > 0
    assert "tagger: The tagger does not answer" in problem(fresh_gateway.http.get("/ready"), 503).detail
    models = ModelServers.model_validate(fresh_gateway.http.get("/models").json())
    assert (models.models, list(models.unavailable)) == ([MODEL], ["tagger", "editor"])


def test_a_large_zip_is_on_its_way_before_it_has_arrived(gateway: Gateway) -> None:
    """The tagger has its beginning while the caller still holds its end."""
    form = httpx.Request("POST", gateway.http.base_url, files=image_form(150_000, field="archive"))
    body, rest = form.read(), threading.Event()

    def halves() -> Iterator[bytes]:
        yield body[:100_000]
        assert rest.wait(10)
        yield body[100_000:]

    sender = threading.Thread(
        target=gateway.http.post,
        args=("/classifiers/rooms/evaluate",),
        kwargs={"content": halves(), "headers": {"Content-Type": form.headers["content-type"]}},
    )
    sender.start()
    try:
        wait_until(lambda: gateway.tagger.arrived >= 99_000)
        assert gateway.tagger.requests == []
    finally:
        rest.set()
        sender.join()
    assert gateway.tagger.requests[0].body == body


def test_the_tagger_is_told_that_a_caller_has_gone(gateway: Gateway) -> None:
    gateway.tagger.go.clear()
    form = httpx.Request("POST", f"{gateway.http.base_url}/tags", files=image_form(10))
    body = form.read()
    head = (
        f"POST /tags HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: {form.headers['content-type']}"
    )
    with connected(gateway) as connection:
        connection.sendall(f"{head}\r\n\r\n".encode() + body)
        wait_until(lambda: bool(gateway.tagger.requests))
    assert gateway.tagger.hung_up.wait(10)


def test_a_caller_that_falls_silent_is_given_up(gateway: Gateway) -> None:
    head = (
        "POST /tags HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        "Content-Type: multipart/form-data; boundary=x"
    )
    with connected(gateway) as connection:
        connection.sendall(f"{head}\r\n\r\n--x\r\n".encode())
        assert b" 408 " in connection.recv(100)


def raw(gateway: Gateway, request_line: str) -> bytes:
    """The beginning of the answer to a request whose address no client library has put right."""
    with connected(gateway) as connection:
        connection.sendall(f"{request_line}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(4096)


def connected(gateway: Gateway) -> socket.socket:
    address = urlsplit(str(gateway.http.base_url))
    assert address.hostname and address.port
    return socket.create_connection((address.hostname, address.port), timeout=10)


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]
