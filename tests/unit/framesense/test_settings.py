"""Secrets that come from files."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from framesense.settings import JobSettings, with_password


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://127.0.0.1:6379/0", "redis://:a%2Fb@127.0.0.1:6379/0"),
        ("redis://worker@redis:6379/1?x=1", "redis://worker:a%2Fb@redis:6379/1?x=1"),
        ("redis://:own@redis:6379/0", "redis://:own@redis:6379/0"),
        ("rediss://[::1]:6379", "rediss://:a%2Fb@[::1]:6379"),
    ],
)
def test_a_password_joins_an_address_that_has_none(url: str, expected: str) -> None:
    assert with_password(url, "a/b") == expected
    assert with_password(url, "") == url


def test_secrets_are_read_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("token", "password"):
        (tmp_path / name).write_text(f"the-{name}\n")
    monkeypatch.setenv("SERVICE_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("REDIS_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.delenv("REDIS_URL", raising=False)
    settings = JobSettings()
    assert settings.token == "the-token" and settings.redis_url == "redis://:the-password@127.0.0.1:6379/0"
    assert "the-token" not in repr(settings)
    monkeypatch.setenv("SERVICE_TOKEN", "its-own")
    assert JobSettings().token == "its-own"


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_secret_that_is_not_there_is_an_error(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValidationError, match="token"):
        JobSettings(service_token_file=file)
