"""When a gateway asks for keys."""

import pytest

from gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("host", "published", "required"),
    [
        ("127.0.0.1", "", False),
        ("127.8.9.1", "", False),
        ("::1", "", False),
        ("localhost", "", False),
        ("0.0.0.0", "", True),
        ("::", "", True),
        ("192.0.2.7", "", True),
        ("frames.example.org", "", True),
        ("0.0.0.0", "127.0.0.1", False),
        ("0.0.0.0", "[::1]", False),
        ("0.0.0.0", "0.0.0.0", True),
    ],
)
def test_keys_are_required_beyond_this_machine(host: str, published: str, required: bool) -> None:
    settings = GatewaySettings(gateway_host=host, published_address=published)
    assert settings.keys_required is required
    assert settings.model_copy(update={"require_keys": "always"}).keys_required
    assert not settings.model_copy(update={"require_keys": "never"}).keys_required
