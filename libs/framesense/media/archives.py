"""Read the images of a zip of photos, one at a time, within limits.

The directory of the archive is checked before anything is unpacked, and what an entry unpacks to is counted while it is
read, whatever its header says: a zip bomb costs no more than the limits. Nothing is written to disk, so a path with
``..`` could do no harm; it is refused all the same, since no honest program writes one.

Names are read as programs really write them: backslashes between folders, no word of the encoding, letters and accents
apart. A picture is known by its content, whatever its name ends in.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import IO, NoReturn, Self

from framesense.http.problems import ProblemError
from framesense.media.encodings import OEM_PAGES, guess_encoding
from framesense.media.images import HEADER_BYTES, is_image
from framesense.media.names import clean_name

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
)
ZIP_MEDIA_TYPES = frozenset({"application/zip", "application/x-zip-compressed"})
_CHUNK = 1 << 20
_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})
_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
"""An extra field with the name in UTF-8, behind a version, 1, and the CRC-32 of the plain name (APPNOTE.TXT 4.6.9)."""


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


_Named = tuple[PurePosixPath, zipfile.ZipInfo]
_UNPACKING_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


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
            self.encoding, named = _named(self._zip.infolist())
            """What the names were decoded by where that is a guess; None where it is certain."""
            self._images, self._others = self._listed(named)
        except BaseException:
            self._zip.close()
            raise

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._images)

    @property
    def paths(self) -> list[PurePosixPath]:
        """The paths of the images inside the archive, sorted."""
        return [path for path, _ in self._images]

    @property
    def others(self) -> list[PurePosixPath]:
        """The paths of files that are no images, sorted, without what operating systems add."""
        return sorted(self._others)

    def read(self, index: int) -> ArchivedImage:
        """Unpack the image at this place of ``paths``.

        Raises:
            EntryError: 413 this image is too large, 422 it is damaged.
            ProblemError: 413 all that was read is more than the limit.
        """
        path, entry = self._images[index]
        return ArchivedImage(path, self._unpack(path, entry))

    def read_other(self, path: PurePosixPath) -> bytes:
        """Unpack one of ``others``. Raises like :meth:`read`, and KeyError."""
        return self._unpack(path, self._others[path])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def _listed(self, named: Sequence[_Named]) -> tuple[list[_Named], dict[PurePosixPath, zipfile.ZipInfo]]:
        """List the entries of the archive: images, sorted, and other files by path. Raises ProblemError."""
        name, limits = self._name, self._limits
        images, others = [], {}
        for path, entry in named:
            if _is_unsafe(path, entry):
                detail = f"{name} holds the path {str(path)!r}, which points outside of it. Make the zip anew."
                raise ProblemError(422, "unsafe-path", "Unsafe path in the archive", detail)
            if any(part.startswith(".") or part.casefold() in _SYSTEM_FILES for part in path.parts):
                continue
            if path.suffix.lower() not in IMAGE_SUFFIXES and not self._is_image(entry):
                others[path] = entry
                continue
            if entry.flag_bits & 0x1:
                detail = f"{name} is encrypted. Send one without a password."
                raise ProblemError(422, "encrypted-archive", "Encrypted archive", detail)
            images.append((path, entry))
        if not images:
            detail = f"{name} holds no image. Put JPEG, PNG, WebP, GIF, BMP or TIFF files into it."
            raise ProblemError(422, "no-images", "No images in the archive", detail)
        if len(images) > limits.max_images:
            detail = f"{name} holds {len(images):,} images; at most {limits.max_images:,} are taken."
            raise ProblemError(413, "too-many-images", "Too many images", detail)
        if (promised := sum(entry.file_size for _, entry in images)) > limits.max_bytes:
            self._refuse_size(f"{promised:,}")
        return sorted(images, key=lambda image: str(image[0])), others

    def _is_image(self, entry: zipfile.ZipInfo) -> bool:
        """Tell whether an entry begins as an image does."""
        try:
            with self._zip.open(entry) as opened:
                return is_image(opened.read(HEADER_BYTES))
        except _UNPACKING_ERRORS:
            return False

    def _unpack(self, path: PurePosixPath, entry: zipfile.ZipInfo) -> bytes:
        chunks, read, limits = [], 0, self._limits
        try:
            with self._zip.open(entry) as opened:
                while chunk := opened.read(_CHUNK):
                    read += len(chunk)
                    self._left -= len(chunk)
                    if read > limits.max_image_bytes:
                        detail = f"{path} in {self._name} has more than {limits.max_image_bytes:,} bytes."
                        raise EntryError(413, "image-too-large", "Image too large", detail)
                    if self._left < 0:
                        self._refuse_size("more")
                    chunks.append(chunk)
        except _UNPACKING_ERRORS as error:
            detail = f"{path} in {self._name} is damaged and cannot be unpacked ({error}). Make the zip anew."
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


def _named(entries: Sequence[zipfile.ZipInfo]) -> tuple[str | None, list[_Named]]:
    """Pair the files of an archive with their paths; the first value is the encoding where it had to be guessed.

    All names that say nothing of their encoding are read as one text: one program wrote them.
    """
    unmarked = {id(entry): raw for entry in entries if (raw := _unmarked_name(entry)) is not None}
    text = b"\n".join(dict.fromkeys(unmarked.values()))
    encoding = guess_encoding(text, OEM_PAGES) if unmarked else "ascii"
    named = []
    for entry in entries:
        raw = unmarked.get(id(entry))
        name = (_unicode_path(entry) or entry.orig_filename) if raw is None else raw.decode(encoding, "replace")
        name = name.partition("\0")[0].replace("\\", "/")
        if not name.endswith("/"):
            named.append((PurePosixPath(clean_name(name)), entry))
    certain = encoding in ("utf-8-sig", "ascii")
    return None if certain else encoding, named


def _unmarked_name(entry: zipfile.ZipInfo) -> bytes | None:
    """Return a name's bytes where they are not all ASCII, and nothing says which letters they stand for."""
    name = entry.orig_filename
    if entry.flag_bits & _UTF8_FLAG or name.isascii() or _unicode_path(entry):
        return None
    return name.encode("cp437")  # as zipfile decoded it


def _unicode_path(entry: zipfile.ZipInfo) -> str | None:
    """Return the name of an entry's Unicode path field, unless there is none, or the plain name was changed since."""
    extra = entry.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1 and not entry.flag_bits & _UTF8_FLAG:
            plain = entry.orig_filename.encode("cp437")
            if int.from_bytes(field[1:5], "little") == zlib.crc32(plain):
                return field[5:].decode("utf-8", "replace")
    return None


def _is_unsafe(path: PurePosixPath, entry: zipfile.ZipInfo) -> bool:
    """Return whether an entry's path leads outside of the archive, or it is a link, whose content may."""
    leads_out = ".." in path.parts or path.is_absolute() or path.parts[0:1] == ("~",)
    drive = bool(path.parts) and path.parts[0].endswith(":")
    return leads_out or drive or stat.S_ISLNK(entry.external_attr >> 16)
