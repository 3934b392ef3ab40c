"""The host names that a service answers to."""

import socket

import pytest

from framesense.http.hosts import AllowedHosts


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST.:8000",
        "studio.localhost:8000",
        "127.0.0.1",
        "127.0.0.1:8000",
        "[::1]:8000",
        "192.168.1.7:8000",
        socket.gethostname(),
        "gateway:8000",
        "frames.example.org",
        "a.b.wild.example",
        "listener.example",
    ],
)
def test_known(host: str) -> None:
    assert AllowedHosts(["gateway", "Frames.example.org", "*.wild.example"], address="listener.example").allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "gateway.evil.example",
        "wild.example",
        "notwild.example",
        "user@localhost",
        "localhost/evil.example",
        "localhost:port",
        "localhost:8000:9000",
        "[::1",
        "[evil.example]",
        "evil.example#localhost",
        "evil.example?localhost",
        "localhost, evil.example",
    ],
)
def test_unknown(host: str) -> None:
    assert not AllowedHosts(["gateway", "*.wild.example"], address="127.0.0.1").allow(host)


def test_a_star_stands_for_every_name() -> None:
    assert AllowedHosts(["*"]).allow("evil.example:8000")
