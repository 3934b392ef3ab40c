"""Parse multipart bodies while they arrive: every form of every service is read through these events.

The parser itself is python-multipart's, which knows no forms, no limits and no files; whoever reads the events decides
what to keep, what to count and what to refuse.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from enum import Enum, auto
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from framesense.http.problems import ProblemError

MAX_PART_HEADERS = 16 * 1024
"""Bytes of one part's headers: a file name may be long, a header is never a file."""

_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_EXTENDED_FILE_NAME = re.compile(rb";\s*filename\*\s*=\s*([^;\s]+)", re.IGNORECASE)


class MultipartEvent(Enum):
    """One step of a multipart body; names, values and data may come in several pieces."""

    PART_BEGIN = auto()
    HEADER_BEGIN = auto()
    HEADER_NAME = auto()
    HEADER_VALUE = auto()
    HEADERS_END = auto()
    DATA = auto()
    PART_END = auto()
    END = auto()
    """The closing boundary: without it, the body was cut off."""


class MultipartEvents:
    """Turn the chunks of a multipart body into events."""

    def __init__(self, boundary: bytes) -> None:
        """Raise ProblemError 400 for a boundary that cannot be one."""
        self._events: list[tuple[MultipartEvent, bytes]] = []
        callbacks: Any = {
            "on_part_begin": self._record(MultipartEvent.PART_BEGIN),
            "on_header_begin": self._record(MultipartEvent.HEADER_BEGIN),
            "on_header_field": self._record_data(MultipartEvent.HEADER_NAME),
            "on_header_value": self._record_data(MultipartEvent.HEADER_VALUE),
            "on_headers_finished": self._record(MultipartEvent.HEADERS_END),
            "on_part_data": self._record_data(MultipartEvent.DATA),
            "on_part_end": self._record(MultipartEvent.PART_END),
            "on_end": self._record(MultipartEvent.END),
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise malformed_form(str(error)) from error

    def feed(self, chunk: bytes) -> list[tuple[MultipartEvent, bytes]]:
        """Return the events of one chunk, each with its bytes. Raises ProblemError 400 for a malformed body."""
        self._events.clear()
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise malformed_form(str(error)) from error
        return self._events

    def _record(self, event: MultipartEvent) -> Callable[[], None]:
        return lambda: self._events.append((event, b""))

    def _record_data(self, event: MultipartEvent) -> Callable[[bytes, int, int], None]:
        return lambda data, start, end: self._events.append((event, data[start:end]))


class PartHeaders:
    """Collect the headers of one part, whose names and values may come in pieces."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self.size = 0
        """Bytes of all names and values so far."""

    def add(self, event: MultipartEvent, data: bytes) -> None:
        """Take a piece of a name or of a value; events of no header are ignored.

        Raises ProblemError 400 over ``MAX_PART_HEADERS``.
        """
        match event:
            case MultipartEvent.HEADER_BEGIN:
                self._headers.append((b"", b""))
            case MultipartEvent.HEADER_NAME:
                name, value = self._headers[-1]
                self._headers[-1] = (name + data, value)
            case MultipartEvent.HEADER_VALUE:
                name, value = self._headers[-1]
                self._headers[-1] = (name, value + data)
            case _:
                return
        self.size += len(data)
        if self.size > MAX_PART_HEADERS:
            raise malformed_form(f"a part's headers are larger than {MAX_PART_HEADERS:,} bytes")

    def disposition(self) -> tuple[str, str | None]:
        """Return the field's name, and the file's as it was sent: None for a plain field.

        A file named by ``filename*`` alone (RFC 5987), as some clients send it, is a file as well.
        """
        header = self._get(b"content-disposition") or b""
        _, options = parse_options_header(header)
        field_name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options:
            return field_name, options[b"filename"].decode("utf-8", "replace")
        return field_name, _extended_file_name(header)

    def content_type(self) -> str | None:
        """Return the media type that the sender names, or None."""
        value = self._get(b"content-type")
        return value.decode("latin-1") if value else None

    def _get(self, name: bytes) -> bytes | None:
        return {name.lower(): value for name, value in self._headers}.get(name)


def _extended_file_name(header: bytes) -> str | None:
    """Return what ``filename*=CHARSET'LANGUAGE'PERCENT-ENCODED`` says outside of quotes, or None."""
    found = _EXTENDED_FILE_NAME.search(_QUOTED.sub(b'""', header))
    if found is None:
        return None
    charset, _, rest = found[1].partition(b"'")
    encoded = rest.partition(b"'")[2] or rest or charset
    # RFC 5987 knows these two alone; a codec is never looked up by a caller's word.
    return unquote_to_bytes(encoded).decode("latin-1" if charset.lower() == b"iso-8859-1" else "utf-8", "replace")


def multipart_boundary(request: Request) -> bytes | None:
    """Return the boundary of a ``multipart/form-data`` request; None for any other content type.

    Raises ProblemError 400 for a form that names none.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return None
    if not options.get(b"boundary"):
        raise malformed_form("its Content-Type names no boundary")
    return options[b"boundary"]


async def body_chunks(request: Request, seconds: float | None = None) -> AsyncGenerator[bytes]:
    """Yield the request's body as it arrives.

    Raises ProblemError 408 after ``seconds`` of silence (None waits as long as the connection lives), and
    ClientDisconnect when the caller hung up.
    """
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(seconds):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            detail = f"Nothing arrived for {seconds:g} seconds, so the upload was given up. Send it again."
            raise ProblemError(408, "upload-timeout", "Upload timed out", detail) from None
        if chunk:
            yield chunk


async def limited_body(request: Request, max_bytes: int, seconds: float | None = None) -> AsyncGenerator[bytes]:
    """Yield the request's body as it arrives, as :func:`body_chunks` does.

    Raises ProblemError 413 over ``max_bytes``: at once where the request declares its length, else while it arrives.
    """
    if declared_length(request) > max_bytes:
        raise _request_too_large(max_bytes)
    received = 0
    async with aclosing(body_chunks(request, seconds)) as chunks:
        async for chunk in chunks:
            received += len(chunk)
            if received > max_bytes:
                raise _request_too_large(max_bytes)
            yield chunk


def declared_length(request: Request) -> int:
    """Return the request's Content-Length in bytes, 0 where it declares none."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0


def malformed_form(reason: str) -> ProblemError:
    """Return the 400 for a form that cannot be read."""
    return ProblemError(400, "malformed-form", "Malformed form", f"The multipart form cannot be read: {reason}.")


def not_a_form(file_field: str) -> ProblemError:
    """Return the 415 for a request that is no multipart form."""
    detail = f"Send multipart/form-data with the file in the field {file_field!r}: curl -F {file_field}=@FILE"
    return ProblemError(415, "unsupported-media-type", "Unsupported media type", detail)


def not_a_file(field: str) -> ProblemError:
    """Return the 422 for a field that holds text where a file belongs, as ``curl -F`` sends it without the ``@``."""
    detail = f"The field {field!r} holds text. Send the file itself, with an @ before its name: curl -F {field}=@FILE"
    return ProblemError(422, "not-a-file", "Not a file", detail)


def too_many_files(limit: int) -> ProblemError:
    """Return the 413 for a form of more than ``limit`` files."""
    detail = f"At most {limit} files are taken in one request. Send several requests."
    return ProblemError(413, "too-many-files", "Too many files", detail)


def file_too_large(limit: int, name: str = "The file") -> ProblemError:
    """Return the 413 for a file of more than ``limit`` bytes."""
    detail = f"{name} is larger than {limit:,} bytes ({limit / 1024**2:,.1f} MiB), the most this server takes."
    return ProblemError(413, "file-too-large", "File too large", detail)


def _request_too_large(limit: int) -> ProblemError:
    detail = f"The request is larger than the {limit:,} bytes that are taken. Send fewer or smaller files."
    return ProblemError(413, "request-too-large", "Request too large", detail)
