"""A body that arrives slowly, not at all, or as a JSON document that is too large: refused with the reason."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from framesense.http.app import create_service
from framesense.http.bodies import BodyLimits
from tests.support.gateway_process import problem, served
from tests.support.raw_http import connect, read_answer

HEAD = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


class Note(BaseModel):
    text: str


def application() -> FastAPI:
    app = create_service("test", bodies=BodyLimits(idle_timeout=1, min_rate=1000, max_json_bytes=500))

    @app.post("/notes")
    async def note(note: Note) -> int:
        return len(note.text)

    @app.post("/files")
    async def file(request: Request) -> int:
        return len(await request.body())

    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(application()) as (url, _):
        yield url


@pytest.mark.parametrize("path", ["/notes", "/files"])
def test_silence_is_given_up(url: str, path: str) -> None:
    with connect(url) as connection:
        connection.sendall(HEAD.format(path, 50).encode() + b'{"text":')
        answer = read_answer(connection)
    assert (answer.status, answer.headers["connection"]) == (408, "close")
    assert b"Nothing arrived for 1 seconds" in answer.body


def test_a_trickle_is_given_up(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(HEAD.format("/files", 100_000).encode())
        connection.settimeout(0.2)
        while True:
            connection.sendall(b"x")
            try:
                connection.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                continue
            break
        answer = read_answer(connection)
    assert answer.status == 408
    assert b"less than 1000 bytes a second" in answer.body


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_json_is_limited(url: str, chunked: bool) -> None:
    with httpx.Client(base_url=url) as client:
        body = iter([b'{"text": "', b"x" * 600]) if chunked else b"x" * 600
        answer = client.post("/notes", content=body, headers={"Content-Type": "application/json"})
        assert "500 bytes" in problem(answer, 413).detail
        assert client.post("/files", content=b"x" * 600).json() == 600, "which reads its body by itself"
        assert client.post("/notes", json={"text": "x" * 400}).json() == 400
