"""Photos that arrive as files of a form are packed, while they arrive, into a zip like those that people send.

So everything after is the same for both. Photos do not shrink, so nothing is compressed; and the zip of the same photos
in the same order has the same bytes, so that they are tagged once.
"""

import asyncio
import zipfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from framesense.http.multipart import file_too_large
from framesense.http.problems import ProblemError
from framesense.media.archives import IMAGE_SUFFIXES, looks_like_zip
from framesense.media.images import is_image
from framesense.media.names import clean_name
from gateway.http.multipart import BUFFER_BYTES, FormLimits, ReceivedFile
from gateway.uploads.sniffing import HEAD_BYTES

LONGEST_PATH = 400


def relative_path(name: str) -> str:
    """Turn a file's name into a path inside a zip: with its folders, never empty.

    Raises ProblemError 422 for a path that leads outside.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts or any(part.endswith(":") for part in parts[:1]):
        detail = f"The file name {name[:100]!r} points outside of its folder. Send it with a plain path."
        raise ProblemError(422, "unsafe-path", "Unsafe path", detail)
    path = clean_name("/".join(parts))
    if len(path) > LONGEST_PATH:
        detail = f"A file name has {len(path)} letters, {path[:60]!r}…; at most {LONGEST_PATH} are taken."
        raise ProblemError(422, "long-path", "Path too long", detail)
    return path or "unnamed"


class ReceivedPhotos(ReceivedFile):
    """One zip, or any number of photos (and perhaps a groups.csv), which become one. ``size``: of all of them."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(PurePosixPath(name).name, path)
        self._paths = {name: None}
        """Inside the zip, in the order sent."""
        self._unpacked = 0
        """Bytes of the file that is arriving."""
        self._is_zip = self._has_image = False
        self._zip: zipfile.ZipFile | None = None
        self._entry: IO[bytes] | None = None

    def begin_another(self, name: str) -> None:
        """Begin another file; raises a 422 problem after a zip."""
        if self._is_zip:
            raise _one_zip_or_photos()
        self._unpacked = 0
        self._paths[_unlike(name, self._paths)] = None

    async def write(self, data: bytes, limits: FormLimits) -> None:
        """Write a part of the file that arrives.

        Raises ProblemError: 413 over a limit, 415 for a .zip that is none, 422 for a zip among photos.
        """
        if len(self._paths) > limits.files:
            detail = f"At most {limits.files:,} photos are taken in one request. Send them in parts, or as a zip."
            raise ProblemError(413, "too-many-files", "Too many files", detail)
        undecided = self._unpacked < HEAD_BYTES
        self._unpacked += len(data)
        self.size += len(data)
        if self.size > limits.file_bytes:
            raise file_too_large(limits.file_bytes)
        self._buffer += data
        if undecided and self._unpacked >= HEAD_BYTES:
            self._decide()
        if len(self._buffer) >= BUFFER_BYTES:
            await self._flush()

    async def finish(self, limits: FormLimits) -> None:
        """Finish one photo, or the zip."""
        await self.write(b"", limits)
        if self._unpacked < HEAD_BYTES:
            self._decide()
        await self._flush()
        if self._entry:
            await asyncio.to_thread(self._entry.close)
            self._entry = None

    async def close(self) -> None:
        """Finish the form.

        Raises ProblemError: 422 where all files are empty, 415 where none is an image.
        """
        if self.size == 0:
            raise ProblemError(422, "empty-file", "Empty file", f"{self.name} is empty: it has 0 bytes.")
        if self._zip:
            named_so = any(PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES for path in self._paths)
            if not (self._has_image or named_so):
                detail = f"{self.name} is neither a zip nor an image. Send JPEG, PNG, WebP, GIF, BMP, TIFF or a zip."
                raise ProblemError(415, "not-photos", "Not photos", detail)
            self.name = _common_name(list(self._paths))
            await asyncio.to_thread(self._zip.close)
        await super().close()

    def discard(self) -> None:
        with suppress(OSError, ValueError):  # what is half written is deleted all the same
            if self._entry:
                self._entry.close()
            if self._zip:
                self._zip.close()
        super().discard()

    def _decide(self) -> None:
        """Decide what the file that is arriving is, once its beginning is there."""
        first, beginning = self._zip is None, bytes(self._buffer[:HEAD_BYTES])
        self._has_image |= is_image(beginning)
        if looks_like_zip(beginning):
            if not first:
                raise _one_zip_or_photos()
            self._is_zip = True
            return
        if first and self._unpacked and self.name.lower().endswith(".zip"):
            detail = f"{self.name} is not a zip archive. Put the photos into a .zip, or send them as they are."
            raise ProblemError(415, "not-a-zip", "Not a zip archive", detail)
        if self._zip is None:
            self._zip = zipfile.ZipFile(self._file, "w")
        self._entry = self._zip.open(zipfile.ZipInfo(next(reversed(self._paths))), "w", force_zip64=True)

    async def _flush(self) -> None:
        data, self._buffer = bytes(self._buffer), bytearray()
        await asyncio.to_thread(self._entry.write if self._entry else self._file.write, data)


def _unlike(path: str, taken: Collection[str]) -> str:
    """Put a number before the suffix of a path that is taken: senders may leave folders out of names."""
    whole, number, unlike = PurePosixPath(path), 2, path
    while unlike in taken:
        unlike = str(whole.with_name(f"{whole.stem} ({number}){whole.suffix}"))
        number += 1
    return unlike


def _common_name(paths: Sequence[str]) -> str:
    """Name a set after its file, the folder that holds all of it, or how many files there are."""
    folders = {path.split("/", 1)[0] if "/" in path else "" for path in paths}
    if len(paths) == 1:
        return PurePosixPath(paths[0]).name
    return next(iter(folders)) if len(folders) == 1 and "" not in folders else f"{len(paths)} photos"


def _one_zip_or_photos() -> ProblemError:
    detail = "Send one zip of photos, or photos as they are; not a zip and other files."
    return ProblemError(422, "too-many-files", "Too many files", detail)
