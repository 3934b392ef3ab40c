"""API keys: one JSON file, which the command line writes and the gateway reads.

A key is 256 random bits, shown once; the file holds its SHA-256, which leads nowhere back. The text of a key begins
with its id, so that one is found without a search, and its secret is compared in constant time.
"""

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from framesense.access.private_files import write_private
from framesense.schemas.access import KeyLimits, Scope

VERSION = 1
_ORDER = tuple(Scope)
"""Each scope includes those before it."""
_KEY = re.compile(r"framesense_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")


class KeysUnreadableError(Exception):
    """Raised where the file of keys cannot be read; the text says why and what to do."""


class ApiKey(BaseModel):
    """A key as it is stored: everything but the key itself."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    sha256: str = Field(repr=False, description="of the key's text, in hexadecimal")
    limits: KeyLimits = KeyLimits()

    def may(self, scope: Scope) -> bool:
        """Tell whether the key has a scope, by itself or within another."""
        return any(_ORDER.index(own) >= _ORDER.index(scope) for own in self.scopes)


class _Document(BaseModel):
    version: int = Field(default=VERSION, ge=1, le=VERSION)
    keys: list[ApiKey] = []


class KeyStore:
    """The keys of one file. It is read again whenever it has changed, so that what another process did counts at once.

    Threads may share a store. Every method raises KeysUnreadableError for a file that is there and cannot be read;
    one that is not there holds no key.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        self._stamp: tuple[int, ...] | None = None
        self._keys: dict[str, ApiKey] = {}

    def all(self) -> list[ApiKey]:
        """Return all keys, the oldest first."""
        return list(self._current().values())

    def get(self, key_id: str) -> ApiKey | None:
        """Return a key by its id; None for one that never was, or was revoked."""
        return self._current().get(key_id)

    def verify(self, text: str) -> ApiKey | None:
        """Return the key whose text this is, or None."""
        found = _KEY.fullmatch(text)
        key = self.get(found[1]) if found else None
        # Compared in any case: an id that is known takes no longer than one that is not.
        expected = key.sha256 if key else "0" * 64
        return key if hmac.compare_digest(_digest(text), expected) else None

    def add(self, name: str, scopes: Collection[Scope], limits: KeyLimits = KeyLimits()) -> tuple[ApiKey, str]:
        """Make a key; return it and its text, which is kept nowhere. Raises ValueError without a name or a scope."""
        name = name.strip()
        if not name or len(name) > 100 or not name.isprintable():
            raise ValueError("a key has a name of 1 to 100 letters, by which people know it again")
        if not scopes:
            raise ValueError("a key has at least one scope")
        with self._changing() as keys:
            key_id = _new_id(keys)
            text = f"framesense_{key_id}_{secrets.token_urlsafe(32)}"
            key = ApiKey(
                id=key_id,
                name=name,
                scopes=frozenset(scopes),
                created_at=datetime.now(UTC).replace(microsecond=0),
                sha256=_digest(text),
                limits=limits,
            )
            keys[key_id] = key
        return key, text

    def revoke(self, key_id: str) -> ApiKey | None:
        """Forget a key, and return it; None where there is none of that id."""
        with self._changing() as keys:
            return keys.pop(key_id, None)

    def _current(self) -> dict[str, ApiKey]:
        with self._lock:
            try:
                found = self.file.stat()
            except FileNotFoundError:
                self._stamp, self._keys = None, {}
                return self._keys
            except OSError as error:
                raise _unreadable(self.file, error) from error
            # Each change is a new file by a rename: another inode tells what a clock's step might hide.
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._keys, self._stamp = _read(self.file), stamp
            return self._keys

    @contextmanager
    def _changing(self) -> Iterator[dict[str, ApiKey]]:
        """Yield the keys to change, and write them; two processes that change them wait for each other."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.file.with_name(f".{self.file.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = dict(self._current())
            yield keys
            _write(self.file, keys)
        finally:
            os.close(lock)


def _new_id(taken: Collection[str]) -> str:
    while (key_id := secrets.token_hex(4)) in taken:
        pass
    return key_id


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(file: Path) -> dict[str, ApiKey]:
    try:
        document = _Document.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise _unreadable(file, error) from error
    return {key.id: key for key in sorted(document.keys, key=lambda key: key.created_at)}


def _write(file: Path, keys: dict[str, ApiKey]) -> None:
    document = _Document(keys=list(keys.values())).model_dump(mode="json")
    for key in document["keys"]:
        key["scopes"].sort()
    write_private(file, json.dumps(document, indent=2))


def _unreadable(file: Path, error: Exception) -> KeysUnreadableError:
    reason = "it is damaged, or of a newer release" if isinstance(error, ValidationError) else str(error)
    return KeysUnreadableError(f"The keys in {file} cannot be read ({reason}). Restore the file, or move it away.")
