"""What a browser may load for the pages."""

import pytest
from starlette.datastructures import Headers

from ui.page_policy import page_policy
from ui.settings import UiSettings


def _directives(host: str, **settings: object) -> dict[str, list[str]]:
    text = page_policy(UiSettings(**settings))(Headers({"host": host}))  # type: ignore[arg-type]
    return {words[0]: words[1:] for words in (directive.split() for directive in text.split("; "))}


@pytest.mark.parametrize(
    ("host", "settings", "gateway"),
    [
        ("127.0.0.1:8501", {}, "127.0.0.1:8000"),
        ("frames.example", {"gateway_public_port": 9000}, "frames.example:9000"),
        ("127.0.0.1:8501", {"public_gateway_url": "https://api.example/v1/"}, "https://api.example"),
    ],
)
def test_the_gateway_is_a_source(host: str, settings: dict[str, object], gateway: str) -> None:
    found = _directives(host, **settings)
    for name in ("img-src", "media-src", "connect-src"):
        assert gateway in found[name]
    assert f"ws://{host}" in found["connect-src"]
    assert "http:" not in found["connect-src"]


def test_ipv6_addresses_have_no_name_in_a_policy() -> None:
    found = _directives("[::1]:8501")
    assert "http:" in found["img-src"] and "ws:" in found["connect-src"]
    assert not any("[" in source for sources in found.values() for source in sources)


def test_scripts_come_from_here_alone() -> None:
    found = _directives("127.0.0.1:8501")
    assert "'unsafe-inline'" not in found["script-src"] and "'unsafe-eval'" not in found["script-src"]
    assert [source[:8] for source in found["script-src"][2:]] == ["'sha256-"]
    assert found["frame-ancestors"] == found["object-src"] == ["'none'"]
