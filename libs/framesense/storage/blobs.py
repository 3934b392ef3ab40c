"""Store blobs by key: uploads, frames, results. A folder by default, any fsspec filesystem otherwise."""

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
    """Store blobs by key, a relative POSIX path such as ``videos/3f1c…/source``. A write shows whole or not at all."""

    def __init__(self, url: str) -> None:
        """Open the store at ``url``: a folder, or an fsspec URL such as ``s3://bucket/prefix`` or ``memory://x``."""
        has_scheme = len(urlsplit(url).scheme) > 1
        self._fs: Any
        self._fs, root = fsspec.core.url_to_fs(url if has_scheme else str(Path(url).resolve()))
        self._root: str = root.rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)

    @property
    def folder(self) -> Path | None:
        """Where the blobs lie on a disk of this machine; None where they lie elsewhere."""
        return Path(self._root) if self._local else None

    def check(self) -> None:
        """Check that blobs can be written. Raises OSError."""
        probe = f"probe-{os.getpid()}"
        self.write(probe, b"")
        self.delete(probe)

    def exists(self, key: str) -> bool:
        """Return whether there is a blob, or anything under a prefix."""
        return bool(self._fs.exists(self._path(key)))

    def size(self, key: str) -> int:
        """Return a blob's size in bytes. Raises FileNotFoundError."""
        return int(self._fs.size(self._path(key)))

    def read(self, key: str) -> bytes:
        """Return a blob. Raises FileNotFoundError."""
        return bytes(self._fs.cat_file(self._path(key)))

    def open(self, key: str) -> IO[bytes]:
        """Open a blob as a seekable reader. Raises FileNotFoundError."""
        opened: IO[bytes] = self._fs.open(self._path(key), "rb")
        return opened

    def write(self, key: str, data: bytes) -> None:
        """Write a blob, whole or not at all. Raises OSError."""
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
        """Move a file of this machine into the store: a rename where both lie on one filesystem."""
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
        """Return the keys directly under ``prefix``, sorted; none for a prefix that holds nothing."""
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
        """Delete a blob or everything under a prefix; what is not there is already deleted."""
        try:
            self._fs.rm(self._path(key), recursive=True)
        except FileNotFoundError:
            return

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """Give a blob as a local file, for decoders that want a path; it is copied only where it is not one already."""
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
        """Return the folder to write in before publishing: the local goal's own, so that publishing is a rename."""
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
