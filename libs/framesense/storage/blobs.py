"""Blobs by key: uploads, frames, results. A folder by default, any fsspec filesystem otherwise."""

import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem


class Storage:
    """Keys are relative POSIX paths such as ``videos/3f1c…/source``. A write is seen whole or not at all."""

    def __init__(self, url: str) -> None:
        """``url``: a folder, or an fsspec URL such as ``s3://bucket/prefix`` or ``memory://x`` (tests)."""
        has_scheme = len(urlsplit(url).scheme) > 1
        self._fs: Any
        self._fs, root = fsspec.core.url_to_fs(url if has_scheme else str(Path(url).resolve()))
        self._root: str = root.rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)

    def check(self) -> None:
        """Raises OSError when blobs cannot be written here."""
        probe = f"probe-{os.getpid()}"
        self.write(probe, b"")
        self.delete(probe)

    def exists(self, key: str) -> bool:
        return bool(self._fs.exists(self._path(key)))

    def size(self, key: str) -> int:
        """Bytes. Raises FileNotFoundError."""
        return int(self._fs.size(self._path(key)))

    def read(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        return bytes(self._fs.cat_file(self._path(key)))

    def open(self, key: str) -> IO[bytes]:
        """A seekable reader. Raises FileNotFoundError."""
        opened: IO[bytes] = self._fs.open(self._path(key), "rb")
        return opened

    def write(self, key: str, data: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self._staging(key), prefix=".part-", delete=False) as file:
            staged = Path(file.name)
            try:
                file.write(data)
                file.flush()
            except BaseException:  # a full disk for instance
                staged.unlink()
                raise
        self._publish(staged, key)

    def take(self, file: Path, key: str) -> None:
        """Moves a file of this machine into the store: a rename where both lie on one filesystem."""
        if self._local:
            staged = Path(self._staging(key) or "") / f".part-{os.urandom(8).hex()}"
            try:
                shutil.move(file, staged)
            except BaseException:
                staged.unlink(missing_ok=True)
                raise
            file = staged
        self._publish(file, key)

    def list(self, prefix: str) -> list[str]:
        """Keys directly under ``prefix``, sorted; nothing for a prefix that holds nothing."""
        try:
            paths = self._fs.ls(self._path(prefix), detail=False)
        except FileNotFoundError:
            return []
        names = sorted(posixpath.basename(path.rstrip("/")) for path in paths)
        return [f"{prefix}/{name}" for name in names if not name.startswith(".part-")]

    def last_modified(self, prefix: str) -> datetime | None:
        """Return when a blob, or the newest one under a prefix, was written; None where there is nothing."""
        times = []
        for path in self._fs.find(self._path(prefix)):
            with suppress(FileNotFoundError):  # deleted meanwhile
                times.append(self._fs.modified(path))
        return max((time if time.tzinfo else time.replace(tzinfo=UTC) for time in times), default=None)

    def delete(self, key: str) -> None:
        """Deletes a blob or everything under a prefix; what is not there is already deleted."""
        try:
            self._fs.rm(self._path(key), recursive=True)
        except FileNotFoundError:
            return

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """The blob as a file of this machine, for decoders that want a path: no copy where it already is one."""
        if self._local:
            yield Path(self._path(key))
            return
        with tempfile.TemporaryDirectory(prefix="framesense-") as folder:
            path = Path(folder) / posixpath.basename(key)
            self._fs.get_file(self._path(key), str(path))
            yield path

    def _path(self, key: str) -> str:
        parts = key.split("/")
        if not all(parts) or ".." in parts or "." in parts:
            raise ValueError(f"not a storage key: {key!r}")
        return f"{self._root}/{key}"

    def _staging(self, key: str) -> str | None:
        """Where to write before publishing: beside the goal when that is a folder, so that publishing is a rename."""
        if not self._local:
            return None
        parent = posixpath.dirname(self._path(key))
        self._fs.makedirs(parent, exist_ok=True)
        return parent

    def _publish(self, file: Path, key: str) -> None:
        if self._local:
            file.replace(self._path(key))
            return
        try:
            self._fs.put_file(str(file), self._path(key))
        finally:
            file.unlink(missing_ok=True)
