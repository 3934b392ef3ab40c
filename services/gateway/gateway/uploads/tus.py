"""Uploads that survive a dropped connection: the tus 1.0 protocol's core, creation, termination and expiration.

https://tus.io/protocols/resumable-upload. An upload is two files of a folder: ``{id}.json`` says what was announced,
``{id}.data`` is what has arrived, and its size is the offset, so that nothing else needs to be kept in step with it.
"""

import base64
import binascii
import fcntl
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self
from uuid import uuid4

from fastapi.concurrency import run_in_threadpool

from framesense.http.multipart import file_too_large
from framesense.http.problems import ProblemError
from framesense.media.archives import looks_like_zip
from gateway.access.callers import EVERYBODY, Caller
from gateway.http.multipart import BUFFER_BYTES, plain_name
from gateway.uploads.sniffing import HEAD_BYTES, refuse_non_video

TUS_VERSION = "1.0.0"
TUS_EXTENSIONS = "creation,creation-with-upload,termination,expiration"


@dataclass(frozen=True)
class Resumable:
    """``length``: bytes announced; ``offset``: bytes that have arrived; ``expires``: POSIX seconds."""

    id: str
    name: str
    length: int
    offset: int
    expires: float
    client: str = ""

    @property
    def complete(self) -> bool:
        return self.offset == self.length


@dataclass(frozen=True)
class _Announced:
    name: str
    length: int
    client: str = ""


class ResumableStore:
    """The uploads of one folder. Several gateways may share it: a lock on the file keeps writers apart."""

    def __init__(
        self,
        folder: Path,
        *,
        max_video_bytes: int,
        max_zip_bytes: int,
        expiry: float,
        require_room: Callable[[int], None] = lambda size: None,
    ) -> None:
        """Open a folder. ``require_room`` raises a 507 problem where the disk has no room for so many bytes."""
        self._folder, self._expiry, self._require_room = folder, expiry, require_room
        self._max_video_bytes, self._max_zip_bytes = max_video_bytes, max_zip_bytes
        self._caller = EVERYBODY

    def of(self, caller: Caller) -> Self:
        """Return the store as a caller sees it: without the uploads of others."""
        own = copy(self)
        own._caller = caller
        return own

    @property
    def max_bytes(self) -> int:
        """Of any upload; its first bytes tell which of the two limits is its own."""
        return max(self._max_video_bytes, self._max_zip_bytes)

    def create(self, *, length: int, name: str) -> Resumable:
        """Begin an upload.

        Raises ProblemError: 413 for a length over every limit, 422 for an empty file, 507 for more than the disk has
        room for, beside what other uploads have announced.
        """
        if length > self.max_bytes:
            raise file_too_large(self.max_bytes)
        if length <= 0:
            raise ProblemError(422, "empty-file", "Empty file", f"{name} is empty: it has 0 bytes.")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._require_room(length + self._announced())
        upload_id = uuid4().hex
        try:
            self._data(upload_id).touch()
            self._info(upload_id).write_text(json.dumps(asdict(_Announced(name, length, self._caller.client))))
        except OSError:  # a full disk for instance
            self.delete(upload_id)
            raise
        return self.get(upload_id)

    def stored(self) -> int:
        """Return the bytes that the caller's own uploads have announced."""
        return sum(upload.length for upload in self._uploads() if upload.client == self._caller.client)

    def _announced(self) -> int:
        """Return the bytes that unfinished uploads, of everybody, have announced and not sent."""
        return sum(upload.length - upload.offset for upload in self.of(EVERYBODY)._uploads())

    def _uploads(self) -> Iterator[Resumable]:
        """Iterate over the uploads that the caller sees."""
        for info in self._folder.glob("*.json"):
            with suppress(ProblemError):  # deleted meanwhile, expired, or another's
                yield self.get(info.stem)

    def get(self, upload_id: str) -> Resumable:
        """Return an upload; raises a 404 problem for one that never was, was used, was deleted or has expired."""
        try:
            announced = _Announced(**json.loads(self._info(upload_id).read_text()))
            stat = self._data(upload_id).stat()
        except FileNotFoundError:
            raise _unknown(upload_id) from None
        if not self._caller.sees(announced.client):
            raise _unknown(upload_id)
        expires = stat.st_mtime + self._expiry
        if expires < time.time():
            raise _unknown(upload_id)
        return Resumable(upload_id, announced.name, announced.length, stat.st_size, expires, announced.client)

    async def append(self, upload_id: str, offset: int, body: AsyncIterator[bytes]) -> Resumable:
        """Append what ``body`` yields; what arrived before the body breaks off is kept.

        Raises ProblemError: 404 unknown, 409 for another offset than the upload's, 413 for more than announced, 423
        while another request writes; and, forgetting the upload, 415 when the beginning is neither a video's nor a
        zip's, 413 for more than is taken of its kind.
        """
        await run_in_threadpool(self.get, upload_id)
        with self._locked(upload_id) as file:
            upload = await run_in_threadpool(self.get, upload_id)
            if upload.offset != offset:
                detail = f"The upload stands at byte {upload.offset}, not {offset}. Go on from there."
                raise ProblemError(409, "offset-mismatch", "Offset mismatch", detail)
            buffer = bytearray()
            decided = offset >= HEAD_BYTES
            try:
                async for chunk in body:
                    if offset + len(buffer) + len(chunk) > upload.length:
                        detail = f"More arrived than the {upload.length} bytes that were announced."
                        raise ProblemError(413, "too-large", "Too large", detail)
                    buffer += chunk
                    if not decided or len(buffer) >= BUFFER_BYTES:
                        offset += await run_in_threadpool(_write, file, buffer)
                    if not decided and offset >= min(HEAD_BYTES, upload.length):
                        await run_in_threadpool(self._refuse_the_rest, upload)
                        decided = True
            finally:
                # Not awaited: on a client that hung up this runs while the request is being cancelled.
                _write(file, buffer)
        return await run_in_threadpool(self.get, upload_id)

    def take(self, upload_id: str) -> tuple[Resumable, Path]:
        """Return a complete upload and its file, which is the caller's to move away; then :meth:`delete` it.

        Raises a 404 problem for an unknown upload, 409 for one that is not complete.
        """
        upload = self.get(upload_id)
        if not upload.complete:
            detail = (
                f"Only {upload.offset} of {upload.length} bytes of {upload.name} have arrived. Send the rest first."
            )
            raise ProblemError(409, "upload-incomplete", "Upload incomplete", detail)
        return upload, self._data(upload_id)

    def delete(self, upload_id: str) -> None:
        self._info(upload_id).unlink(missing_ok=True)
        self._data(upload_id).unlink(missing_ok=True)

    def sweep(self, *, form_seconds: float | None = None) -> int:
        """Delete what nobody touched within the expiry, and count the files.

        The files of forms, which a gateway leaves that is killed while they arrive, go after ``form_seconds`` already:
        nobody can come back for them.
        """
        now, data = time.time(), {path.stem: path.stat().st_mtime for path in self._folder.glob("*.data")}

        def is_stale(path: Path) -> bool:
            of_form = form_seconds is not None and path.name.startswith("form-")
            # An upload's announcement is as fresh as its data.
            age = now - data.get(path.stem, path.stat().st_mtime)
            return age > (min(self._expiry, form_seconds or 0) if of_form else self._expiry)

        stale = [path for path in self._folder.glob("*") if is_stale(path)]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    @contextmanager
    def _locked(self, upload_id: str) -> Iterator[IO[bytes]]:
        with self._data(upload_id).open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                detail = "Another request is still sending this upload. Try again in a moment."
                raise ProblemError(
                    423, "upload-locked", "Upload locked", detail, headers={"Retry-After": "1"}
                ) from None
            yield file

    def _refuse_the_rest(self, upload: Resumable) -> None:
        """Refuse what is neither a video nor a zip of photos, or too large a one."""
        with self._data(upload.id).open("rb") as file:
            head = file.read(HEAD_BYTES)
        is_zip = looks_like_zip(head)
        limit = self._max_zip_bytes if is_zip else self._max_video_bytes
        try:
            if not is_zip:
                refuse_non_video(upload.name, head)
            if upload.length > limit:
                raise file_too_large(limit)
        except ProblemError:
            self.delete(upload.id)
            raise

    def _info(self, upload_id: str) -> Path:
        return self._folder / f"{_checked(upload_id)}.json"

    def _data(self, upload_id: str) -> Path:
        return self._folder / f"{_checked(upload_id)}.data"


def read_metadata(header: str) -> dict[str, str]:
    """Read an ``Upload-Metadata`` header: comma-separated keys, each with a base64 value or none.

    Raises a 400 problem.
    """
    metadata: dict[str, str] = {}
    for item in filter(None, (item.strip() for item in header.split(","))):
        key, _, value = item.partition(" ")
        try:
            metadata[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            detail = f"The value of {key!r} in Upload-Metadata is not base64 of UTF-8 text."
            raise ProblemError(400, "invalid-metadata", "Invalid metadata", detail) from None
    return metadata


def upload_name(metadata: dict[str, Any]) -> str:
    return plain_name(metadata.get("filename") or metadata.get("name") or "")


def _write(file: IO[bytes], buffer: bytearray) -> int:
    """Empty the buffer into the file, and return how many bytes it held."""
    written = len(buffer)
    file.write(buffer)
    file.flush()
    buffer.clear()
    return written


def _checked(upload_id: str) -> str:
    """Return an upload's id. Ids are hexadecimal; anything else, such as a path, is no upload."""
    if len(upload_id) != 32 or not all(character in "0123456789abcdef" for character in upload_id):
        raise _unknown(upload_id)
    return upload_id


def _unknown(upload_id: str) -> ProblemError:
    detail = f"There is no upload {upload_id[:64]!r}: it never was, was used, was deleted or has expired. Start anew."
    return ProblemError(404, "unknown-upload", "Unknown upload", detail)
