"""Headers that never end: the connection is closed, whichever parser uvicorn has."""

import threading
from collections.abc import Iterator

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


class TimedHttpTools(TimedHeaders, HttpToolsProtocol):
    header_timeout = 1


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


def test_headers_in_pieces_are_answered(url: str) -> None:
    with connect(url) as connection:
        for piece in (GET[:9], GET[9:], b"X-More: 1\r\n", b"\r\n"):
            connection.sendall(piece)
        assert read_answer(connection).status == 200


def test_services_run_with_it() -> None:
    assert timed_protocol(7).header_timeout == 7
    assert issubclass(timed_protocol(7), TimedHeaders)
