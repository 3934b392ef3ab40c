"""HTTP over a bare socket: what no client library would send, and answers read to their end."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.parse import urlsplit

Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class RawAnswer:
    """An answer, with its headers by their names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def connect(url: str, timeout: float = 60) -> socket.socket:
    """Open a connection to the server of a URL."""
    address = urlsplit(url)
    assert address.hostname and address.port
    return socket.create_connection((address.hostname, address.port), timeout)


def send_raw(
    url: str,
    method: str,
    target: bytes,
    headers: Iterable[Header] = (),
    body: bytes | None = None,
) -> RawAnswer:
    """Send a request as it is, and return its answer.

    Raises http.client.HTTPException and OSError for an answer that is broken off.
    """
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: " + urlsplit(url).netloc.encode()]
    lines += [name + b": " + value for name, value in headers]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    lines += [b"Connection: close", b"", b""]
    with connect(url) as connection:
        connection.sendall(b"\r\n".join(lines) + (body or b""))
        return read_answer(connection, method)


def read_answer(connection: socket.socket, method: str = "GET") -> RawAnswer:
    """Read the answer that a connection carries next. Raises as :func:`send_raw`."""
    with HTTPResponse(connection, method=method) as answer:
        answer.begin()
        return RawAnswer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
