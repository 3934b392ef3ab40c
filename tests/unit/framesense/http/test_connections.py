"""Headers that never end: the connection is closed, whichever parser uvicorn has."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from framesense.http.app import create_service
from framesense.http.connections import TimedHeaders, timed_protocol
from tests.support.raw_http import connect, read_answer
from tests.support.waiting import wait_until

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


class TimedH11(TimedHeaders, H11Protocol):
    header_timeout = 1
    max_header_bytes = 50_000


class TimedHttpTools(TimedHeaders, HttpToolsProtocol):
    header_timeout = 1
    max_header_bytes = 50_000


@pytest.fixture(scope="module", params=[TimedH11, TimedHttpTools])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_service("test"), port=0, log_level="warning", http=request.param))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, interval=0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("sent", [b"", b"G", GET, GET + b"X-Long: " + b"x" * 5000])
def test_headers_that_never_end_are_given_up(url: str, sent: bytes) -> None:
    with connect(url) as connection:
        connection.sendall(sent)
        assert connection.recv(1) == b"", "closed"


def test_headers_that_never_end_after_an_answer_are_given_up(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(GET + b"\r\n")
        assert read_answer(connection).status == 200
        connection.sendall(GET)
        assert connection.recv(1) == b"", "closed"


@pytest.mark.parametrize("flood", [b"X-More: 1\r\n", b"X-Long: " + b"x" * 100_000 + b"\r\n"])
def test_headers_without_end_are_refused_while_they_arrive(url: str, flood: bytes) -> None:
    with connect(url) as connection:
        connection.sendall(GET)
        sent, answer = 0, b""
        with suppress(ConnectionError):  # it may close while more is being sent
            while sent < 20_000_000:
                connection.sendall(flood)
                sent += len(flood)
        with suppress(ConnectionError):
            answer = connection.recv(100)
        assert sent < 20_000_000 and answer.split(b" ")[1:2] in ([b"431"], [b"400"], [])


def test_a_large_body_is_no_header(url: str) -> None:
    with connect(url) as connection:
        body = b"x" * 1_000_000
        connection.sendall(b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + body)
        assert read_answer(connection).status == 405


def test_a_body_that_goes_on_after_its_answer_is_no_header(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        assert read_answer(connection).status == 405
        for _ in range(9):
            connection.sendall(b"x" * 100_000)
        connection.sendall(b"x" * 99_000 + GET + b"\r\n")
        assert read_answer(connection).status == 200, "the same connection takes the next request"
        connection.sendall(GET + b"X-Long: " + b"x" * 100_000)
        assert connection.recv(12) in (b"HTTP/1.1 431", b"HTTP/1.1 400"), "whose headers count again"


def test_headers_in_pieces_are_answered(url: str) -> None:
    with connect(url) as connection:
        for piece in (GET[:9], GET[9:], b"X-More: 1\r\n", b"\r\n"):
            connection.sendall(piece)
        assert read_answer(connection).status == 200


def test_services_run_with_it() -> None:
    protocol = timed_protocol(7, 2000)
    assert (protocol.header_timeout, protocol.max_header_bytes) == (7, 2000)
    assert issubclass(protocol, TimedHeaders)
