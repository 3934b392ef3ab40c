"""``framesense keys``: make, list and revoke the keys of a gateway, where its data folder is."""

import argparse
import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from framesense.access.keys import KeyStore
from framesense.schemas.access import KeyLimits, Scope


class KeyFileSettings(BaseSettings):
    """Hold where the file of keys is, as the gateway and ``make`` are told it too."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_file=".env", env_ignore_empty=True)

    keys_file: Path | None = Field(default=None, description="the file of keys")
    data_dir: Path = Field(default=Path("data"), description="the folder that it is in otherwise")

    @property
    def file(self) -> Path:
        return self.keys_file or self.data_dir / "keys.json"


def add(options: argparse.Namespace) -> int:
    """Make a key; print the key itself to standard output, and all else to standard error."""
    limits = KeyLimits(jobs=options.jobs, requests=options.requests, bytes=options.bytes)
    store = _store(options)
    key, text = store.add(options.name, options.scope or [Scope.SUBMIT], limits)
    _say(f"Made key {key.id} ({key.name}: {_scopes(key.scopes)}) in {store.file}. It is shown this once:")
    sys.stdout.write(f"{text}\n")
    return 0


def show(options: argparse.Namespace) -> int:
    """List the keys, one a line."""
    store = _store(options)
    for key in store.all():
        limits = [f"{name} {value}" for name, value in key.limits if value is not None]
        cells = [key.id, f"{key.created_at:%Y-%m-%d %H:%M} UTC", _scopes(key.scopes), key.name, *limits]
        sys.stdout.write("  ".join(cells) + "\n")
    if not store.all():
        _say(f"There is no key in {store.file}. framesense keys add NAME --scope admin makes the first one.")
    return 0


def revoke(options: argparse.Namespace) -> int:
    """Revoke a key; return 1 where there is none of that id."""
    store = _store(options)
    key = store.revoke(options.id)
    if key is None:
        _say(f"There is no key {options.id} in {store.file}. framesense keys list shows those there are.")
        return 1
    _say(f"Revoked key {key.id} ({key.name}).")
    return 0


def _store(options: argparse.Namespace) -> KeyStore:
    return KeyStore(options.file or KeyFileSettings().file)


def _scopes(scopes: frozenset[Scope]) -> str:
    return ",".join(sorted(scopes))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
