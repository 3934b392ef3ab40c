"""The origins whose pages may call a service."""

import pytest

from framesense.http.origins import AllowedOrigins

HERE = "127.0.0.1:8000"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8000", HERE),
        ("http://127.0.0.1:8501", HERE),
        ("http://[::1]:8501", "[::1]:8000"),
        ("https://frames.example", "frames.example"),
        ("http://frames.example", "frames.example:80"),
        ("https://listed.example", HERE),
        ("chrome-extension://abcdef", HERE),
    ],
)
def test_allowed(origin: str, host: str) -> None:
    assert AllowedOrigins(["https://listed.example", "chrome-extension://abcdef"], ports=[8501]).allow(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("", HERE),
        ("null", HERE),
        ("http://127.0.0.1", HERE),
        ("http://127.0.0.1:9000", HERE),
        ("http://localhost:8501", HERE),
        ("http://127.0.0.1.evil.example:8501", HERE),
        ("http://127.0.0.1:8501/", HERE),
        ("file://127.0.0.1:8501", HERE),
        ("http://[", HERE),
        ("http://127.0.0.1:port", HERE),
        ("http://listed.example", HERE),
        ("http://127.0.0.1:8501", ""),
    ],
)
def test_refused(origin: str, host: str) -> None:
    assert not AllowedOrigins(["https://listed.example"], ports=[8501]).allow(origin, host)


def test_a_star_stands_for_every_origin() -> None:
    assert AllowedOrigins(["*"]).allow("null", HERE)
