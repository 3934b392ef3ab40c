"""Read the images of a zip of photos, one at a time, within limits.

The directory of the archive is checked before anything is unpacked, and what an entry unpacks to is counted while it is
read, whatever its header says: a zip bomb costs no more than the limits. Nothing is written to disk, so a path with
``..`` could do no harm; it is refused all the same, since no honest program writes one.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import IO, NoReturn, Self

from framesense.http.problems import ProblemError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
ZIP_MEDIA_TYPES = frozenset({"application/zip", "application/x-zip-compressed"})
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ArchiveLimits:
    """Limit an archive: how many images, how many bytes all of them unpack to, how many bytes one does."""

    max_images: int
    max_bytes: int
    max_image_bytes: int


@dataclass(frozen=True)
class ArchivedImage:
    path: PurePosixPath
    """Inside the archive: ``kitchen/IMG_1.jpg``."""
    content: bytes

    @property
    def group(self) -> str | None:
        """The folder that holds the image; None at the top of the archive."""
        return self.path.parent.name or None


class EntryError(ProblemError):
    """A file of an archive that cannot be used, though others may be."""


def looks_like_zip(beginning: bytes) -> bool:
    return beginning.startswith((b"PK\x03\x04", b"PK\x05\x06"))


class PhotoArchive:
    """An opened zip of photos: a context manager. The checks that need no unpacking are made when it is opened.

    Args:
        file: a seekable reader, which stays the caller's to close.
        limits: what is refused.
        name: what to call the archive in an error.

    Raises:
        ProblemError: 415 not a zip, 413 over a limit, 422 encrypted, unsafe paths, or no images in it.
    """

    def __init__(self, file: IO[bytes], limits: ArchiveLimits, *, name: str = "the archive") -> None:
        self._limits, self._name, self._left = limits, name, limits.max_bytes
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            detail = f"{name} is not a zip archive, or it was cut off ({error}). Send a .zip of photos."
            raise ProblemError(415, "not-a-zip", "Not a zip archive", detail) from error
        try:
            self._images, self._others = self._listed()
        except BaseException:
            self._zip.close()
            raise

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._images)

    @property
    def paths(self) -> list[PurePosixPath]:
        """The paths of the images inside the archive, sorted."""
        return [PurePosixPath(entry.filename) for entry in self._images]

    @property
    def others(self) -> list[PurePosixPath]:
        """The paths of files that are no images by their names, sorted, without what operating systems add."""
        return [PurePosixPath(path) for path in sorted(self._others)]

    def read(self, index: int) -> ArchivedImage:
        """Unpack the image at this place of ``paths``.

        Raises:
            EntryError: 413 this image is too large, 422 it is damaged.
            ProblemError: 413 all that was read is more than the limit.
        """
        entry = self._images[index]
        return ArchivedImage(PurePosixPath(entry.filename), self._unpack(entry))

    def read_other(self, path: PurePosixPath) -> bytes:
        """Unpack one of ``others``. Raises like :meth:`read`, and KeyError."""
        return self._unpack(self._others[str(path)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def _listed(self) -> tuple[list[zipfile.ZipInfo], dict[str, zipfile.ZipInfo]]:
        """List the entries of the archive: images, sorted, and other files by path. Raises ProblemError."""
        name, limits = self._name, self._limits
        images, others = [], {}
        for entry in self._zip.infolist():
            path = PurePosixPath(entry.filename)
            if _is_unsafe(entry):
                detail = f"{name} holds the path {entry.filename!r}, which points outside of it. Make the zip anew."
                raise ProblemError(422, "unsafe-path", "Unsafe path in the archive", detail)
            if entry.is_dir() or any(part.startswith((".", "__MACOSX")) for part in path.parts):
                continue
            if path.suffix.lower() not in IMAGE_SUFFIXES:
                others[str(path)] = entry
                continue
            if entry.flag_bits & 0x1:
                detail = f"{name} is encrypted. Send one without a password."
                raise ProblemError(422, "encrypted-archive", "Encrypted archive", detail)
            images.append(entry)
        if not images:
            detail = f"{name} holds no image (files ending in {', '.join(sorted(IMAGE_SUFFIXES))})."
            raise ProblemError(422, "no-images", "No images in the archive", detail)
        if len(images) > limits.max_images:
            detail = f"{name} holds {len(images):,} images; at most {limits.max_images:,} are taken."
            raise ProblemError(413, "too-many-images", "Too many images", detail)
        if (promised := sum(entry.file_size for entry in images)) > limits.max_bytes:
            self._refuse_size(f"{promised:,}")
        return sorted(images, key=lambda entry: entry.filename), others

    def _unpack(self, entry: zipfile.ZipInfo) -> bytes:
        chunks, read, limits = [], 0, self._limits
        try:
            with self._zip.open(entry) as opened:
                while chunk := opened.read(_CHUNK):
                    read += len(chunk)
                    self._left -= len(chunk)
                    if read > limits.max_image_bytes:
                        detail = f"{entry.filename} in {self._name} has more than {limits.max_image_bytes:,} bytes."
                        raise EntryError(413, "image-too-large", "Image too large", detail)
                    if self._left < 0:
                        self._refuse_size("more")
                    chunks.append(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            detail = f"{entry.filename} in {self._name} is damaged and cannot be unpacked ({error}). Make the zip anew."
            raise EntryError(422, "damaged-archive", "Damaged archive", detail) from error
        return b"".join(chunks)

    def _refuse_size(self, found: str) -> NoReturn:
        limit = self._limits.max_bytes
        detail = f"{self._name} unpacks to {found} bytes; at most {limit:,} are taken. Send it in parts."
        raise ProblemError(413, "archive-too-large", "Archive too large", detail)


def read_images(file: IO[bytes], limits: ArchiveLimits, *, name: str = "the archive") -> Iterator[ArchivedImage]:
    """Yield the images of a zip in the order of their paths, without other files and what operating systems add.

    Raises ProblemError as :class:`PhotoArchive` does, at the first ``next()``.
    """
    with PhotoArchive(file, limits, name=name) as archive:
        for index in range(len(archive)):
            yield archive.read(index)


def _is_unsafe(entry: zipfile.ZipInfo) -> bool:
    """Return whether an entry's path leads outside of the archive, or it is a link, whose content may."""
    path = PurePosixPath(entry.filename)
    leads_out = ".." in path.parts or path.is_absolute() or "\\" in entry.filename or path.parts[0:1] == ("~",)
    drive = bool(path.parts) and path.parts[0].endswith(":")
    return leads_out or drive or stat.S_ISLNK(entry.external_attr >> 16)
