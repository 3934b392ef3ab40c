"""Reading uploaded images within limits, and giving work up when its caller has gone."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from framesense.http.problems import ProblemError

T = TypeVar("T")

IMAGE_FIELDS = ("images", "image", "file")
"""The form fields an image may come in."""


@dataclass(frozen=True)
class UploadLimits:
    """What one request may carry: ``max_bytes`` in all, ``max_file_bytes`` a file, ``max_files`` files."""

    max_bytes: int
    max_file_bytes: int
    max_files: int


@dataclass(frozen=True)
class Upload:
    """One uploaded file, whole, in memory."""

    content: bytes
    filename: str
    media_type: str | None


def images_form(field: str = IMAGE_FIELDS[0]) -> dict[str, Any]:
    """The ``openapi_extra=`` of a route that reads its images with :func:`read_uploads`."""
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    schema = {"type": "object", "required": [field], "properties": {field: files}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@dataclass(frozen=True)
class Form:
    """A multipart form: its files in the order sent, and the values of each other field, in the order sent."""

    files: list[Upload]
    values: dict[str, list[str]]


@dataclass(frozen=True)
class NamedForm:
    """A multipart form whose files are told apart by their fields: ``files`` as (field, file), in the order sent."""

    files: list[tuple[str, Upload]]
    values: dict[str, list[str]]
    other_files: Sequence[str] = ()
    """The fields of files that were not asked for; what these hold is dropped."""

    def file(self, field: str) -> Upload | None:
        """The field's one file, or None. Raises ProblemError 422 for several."""
        found = self.all(field)
        if len(found) > 1:
            detail = f"The form holds {len(found)} files in the field {field!r}; one is taken."
            raise ProblemError(422, "too-many-files", "Too many files", detail)
        return found[0] if found else None

    def all(self, field: str) -> list[Upload]:
        return [file for name, file in self.files if name == field]


async def read_uploads(request: Request, limits: UploadLimits, *, fields: Sequence[str] = IMAGE_FIELDS) -> list[Upload]:
    """The files of a multipart request, in the order sent; other fields are ignored.

    Raises:
        ProblemError: 413 over a limit (while reading, not after), 415 not multipart, 400 malformed, 422 no file.
        ClientDisconnect: the caller hung up midway.
    """
    return (await read_form(request, limits, fields=fields)).files


async def read_form(
    request: Request, limits: UploadLimits, *, fields: Sequence[str] = IMAGE_FIELDS, max_values: int = 100
) -> Form:
    """As :func:`read_uploads`, with the form's other values: at most ``max_values`` of them, each of 1 MB at most."""
    form = await read_named_form(request, limits, fields=fields, max_values=max_values)
    if not form.files:
        detail = f"The form holds no file. Send at least one in the field {fields[0]!r}: curl -F {fields[0]}=@photo.jpg"
        raise ProblemError(422, "no-file", "No file", detail)
    return Form([file for _, file in form.files], form.values)


async def read_named_form(
    request: Request, limits: UploadLimits, *, fields: Sequence[str], max_values: int = 100
) -> NamedForm:
    """As :func:`read_form`, with each file's field; there need not be any file."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        detail = f"Send multipart/form-data with the file or files in the field {fields[0]!r}."
        raise ProblemError(415, "not-multipart", "Not a form", detail)
    if int(request.headers.get("content-length", 0)) > limits.max_bytes:
        _refuse_size(limits)
    parser = _InMemoryParser(
        request.headers, _limited(request, limits), max_files=limits.max_files, max_fields=max_values
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            detail = f"At most {limits.max_files} files are taken in one request. Send several requests."
            raise ProblemError(413, "too-many-files", "Too many files", detail) from error
        raise ProblemError(400, "malformed-form", "Malformed form", error.message) from error
    try:
        return await _contents(form.multi_items(), limits, fields)
    finally:
        await form.close()


async def _contents(
    parts: Iterable[tuple[str, UploadFile | str]], limits: UploadLimits, fields: Sequence[str]
) -> NamedForm:
    uploads: list[tuple[str, Upload]] = []
    values: dict[str, list[str]] = {}
    others: list[str] = []
    for field, part in parts:
        if field not in fields:
            if isinstance(part, str):
                values.setdefault(field, []).append(part)
            else:
                others.append(field)
            continue
        if isinstance(part, str):
            detail = f"The field {field!r} holds text. Send a file: curl -F {field}=@photo.jpg"
            raise ProblemError(422, "not-a-file", "Not a file", detail)
        name = part.filename or f"file {len(uploads) + 1}"
        if part.size is not None and part.size > limits.max_file_bytes:
            detail = f"{name} has {part.size:,} bytes; at most {limits.max_file_bytes:,} are taken."
            raise ProblemError(413, "file-too-large", "File too large", detail)
        uploads.append((field, Upload(await part.read(), name, part.content_type)))
    return NamedForm(uploads, values, others)


class _InMemoryParser(MultiPartParser):
    """Keeps files in memory: they are decoded there anyway, and a read-only container has no disk for them."""

    spool_max_size = 0  # SpooledTemporaryFile's "never"


async def _limited(request: Request, limits: UploadLimits) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limits.max_bytes:
            _refuse_size(limits)
        yield chunk


def _refuse_size(limits: UploadLimits) -> None:
    detail = f"The request is larger than the {limits.max_bytes:,} bytes that are taken. Send fewer or smaller files."
    raise ProblemError(413, "request-too-large", "Request too large", detail)


async def unless_disconnected(request: Request, work: Awaitable[T], *, body_read: asyncio.Event | None = None) -> T:
    """Awaits the work, but cancels it when the caller hangs up. The request's body must have been read, or be read by
    the work itself, which then sets ``body_read``.

    Raises ClientDisconnect when the caller has gone.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request, body_read))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        working.cancel()
        leaving.cancel()


async def _disconnected(request: Request, body_read: asyncio.Event | None) -> None:
    if body_read:
        await body_read.wait()
    while (await request.receive())["type"] != "http.disconnect":
        pass
