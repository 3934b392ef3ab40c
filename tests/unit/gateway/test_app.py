"""What a gateway says of itself at its start."""

import logging
from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("host", "require_keys", "warned"),
    [
        ("0.0.0.0", "never", True),
        ("127.0.0.1", "never", False),
        ("127.0.0.1", "auto", False),
        ("0.0.0.0", "auto", False),
        ("0.0.0.0", "always", False),
    ],
)
def test_a_gateway_that_is_open_to_others_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, host: str, require_keys: str, warned: bool
) -> None:
    settings = GatewaySettings(
        gateway_host=host,
        require_keys=require_keys,  # type: ignore[arg-type]  # mypy sees a text, not one of three
        storage_url=str(tmp_path),
        upload_folder=tmp_path / "incoming",
        keys_file=tmp_path / "keys.json",
    )
    with caplog.at_level(logging.WARNING):
        app = create_app(settings)
    assert ("REQUIRE_KEYS=never" in caplog.text) is warned
    assert app.state.gatekeeper.required is (host == "0.0.0.0" and not warned)
