"""A form with a file of any size, streamed: the file goes to a folder of ours while it arrives, under limits that hold
while it arrives.

The framework's own form parsing spools to the system's temporary folder, which in a container is often memory, has no
limit for a file, and leaves a second copy to be made. Here a file that is kept is renamed into the store.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from framesense.http.problems import ProblemError
from gateway.uploads.sniffing import HEAD_BYTES

FIELD_BYTES = 64 * 1024
"""Most bytes of all of a form's plain fields, and of what surrounds its parts."""
HEADER_BYTES = 4096
"""Most bytes of the headers of one file."""
BUFFER_BYTES = 1024 * 1024
"""Files are written in steps of about this size."""

Inspector = Callable[[str, bytes], None]
"""Is shown a file's name and first bytes, and may refuse it by raising a ProblemError."""


def plain_name(name: str) -> str:
    """A file name fit to be shown: its last path component, printable, not too long, never empty."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(character for character in last if character.isprintable())[:200].strip() or "unnamed"


class ReceivedFile:
    """The file of a form. It is gone after the form's context, unless moved away."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path, self.size = name, path, 0
        self._buffer = bytearray()
        self._file = path.open("xb")

    def begin_another(self, name: str) -> None:
        """Raises a 422 problem: there is room for one."""
        raise ProblemError(422, "too-many-files", "Too many files", "Send one file at a time.")

    async def write(self, data: bytes, limits: "FormLimits") -> None:
        """Raises a 413 problem over the limit, and what the limits' inspector raises once it has seen enough."""
        undecided = self.size < HEAD_BYTES
        self.size += len(data)
        if self.size > limits.file_bytes:
            raise too_large(limits.file_bytes)
        self._buffer += data
        if undecided and self.size >= HEAD_BYTES:
            limits.inspect(self.name, bytes(self._buffer[:HEAD_BYTES]))
        if len(self._buffer) >= BUFFER_BYTES:
            await self._flush()

    async def finish(self, limits: "FormLimits") -> None:
        """The end of a file."""
        if self.size < HEAD_BYTES:
            limits.inspect(self.name, bytes(self._buffer))
        await self._flush()

    async def close(self) -> None:
        """The end of the form."""
        self._file.close()

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._file.close()

    async def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        await asyncio.to_thread(self._file.write, data)


@dataclass(frozen=True)
class FormLimits:
    """What a form may carry: ``files`` files of ``file_bytes`` together in the field ``file_field``, with silences of
    ``seconds``. ``receive`` makes what becomes of them, of the first one's name and a path to write to; ``shown_name``
    is how a file's name is read."""

    file_field: str
    file_bytes: int
    seconds: float
    inspect: Inspector = lambda name, head: None
    files: int = 1
    receive: Callable[[str, Path], ReceivedFile] = ReceivedFile
    shown_name: Callable[[str], str] = plain_name


@dataclass
class Form:
    """``fields``: the value of each field, the last one where there are several, which are all in ``values``."""

    values: dict[str, list[str]] = field(default_factory=dict)
    file: ReceivedFile | None = None

    @property
    def fields(self) -> dict[str, str]:
        return {name: values[-1] for name, values in self.values.items()}

    def add(self, name: str, value: str) -> None:
        self.values.setdefault(name, []).append(value)


@asynccontextmanager
async def receive_form(request: Request, folder: Path, limits: FormLimits) -> AsyncIterator[Form]:
    """The form of a request: multipart, or urlencoded when it carries no file. Its file lives as long as the context.

    Raises ProblemError: 400 for a malformed form, 408 for a silent client, 413 over a limit, 415 for another content
    type, 422 for an unknown or a second file, and what the inspector raises; ClientDisconnect when the client hung up.
    """
    form = Form()
    try:
        kind, options = parse_options_header(request.headers.get("content-type"))
        async with aclosing(body_chunks(request, limits.seconds)) as body:
            if kind == b"multipart/form-data" and b"boundary" in options:
                _refuse_declared_length(request, limits)
                await _read_multipart(form, body, MultipartEvents(options[b"boundary"]), folder, limits)
            elif kind == b"application/x-www-form-urlencoded":
                await _read_urlencoded(form, body)
            elif kind:
                raise not_a_form(limits.file_field)
        yield form
    finally:
        if form.file:
            form.file.discard()


async def body_chunks(request: Request, seconds: float) -> AsyncGenerator[bytes]:
    """The request's body as it arrives. Raises a 408 problem after ``seconds`` of silence, and ClientDisconnect."""
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


def too_large(limit: int) -> ProblemError:
    detail = f"The file is larger than {limit:,} bytes ({limit / 1024**2:,.1f} MiB), the most this server takes."
    return ProblemError(413, "file-too-large", "File too large", detail)


def not_a_form(file_field: str) -> ProblemError:
    detail = f"Send multipart/form-data with the file in the field {file_field!r}: curl -F {file_field}=@FILE"
    return ProblemError(415, "unsupported-media-type", "Unsupported media type", detail)


def _refuse_declared_length(request: Request, limits: FormLimits) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limits.file_bytes + FIELD_BYTES + (limits.files - 1) * HEADER_BYTES:
        raise too_large(limits.file_bytes)


async def _read_urlencoded(form: Form, body: AsyncIterator[bytes]) -> None:
    data = b""
    async for chunk in body:
        data += chunk
        if len(data) > FIELD_BYTES:
            raise _too_many_fields()
    for name, value in parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True):
        form.add(name, value)


async def _read_multipart(
    form: Form, body: AsyncIterator[bytes], parser: "MultipartEvents", folder: Path, limits: FormLimits
) -> None:
    part = _Part()
    around, ended = 0, False
    async for chunk in body:
        for event, data in parser.feed(chunk):
            if event == "begin":
                part = _Part()
            elif event in HEADER_EVENTS:
                part.headers.add(event, data)
            elif event == "headers":
                part.start(form, folder, limits)
                # The headers of files, of which there may be thousands, have a limit of their own.
                around -= min(part.headers.size, HEADER_BYTES) if part.file else 0
            elif event == "data" and part.file:
                await part.file.write(data, limits)
                continue
            elif event == "data":
                part.value += data
            elif event == "part":
                await part.finish(form, limits)
            ended = ended or event == "end"
            around += len(data)
            if around > FIELD_BYTES:
                raise _too_many_fields()
    if not ended:
        raise _malformed("it ends before its closing boundary")
    if form.file:
        await form.file.close()


HEADER_EVENTS = ("header_name", "header_value")


class MultipartEvents:
    """A multipart body, as it arrives → begin, header_name, header_value, headers, data, part, end.

    Raises ProblemError 400 for a boundary that cannot be.
    """

    def __init__(self, boundary: bytes) -> None:
        self._events: list[tuple[str, bytes]] = []
        callbacks: Any = {
            "on_part_begin": self._note("begin"),
            "on_header_field": self._note_data("header_name"),
            "on_header_value": self._note_data("header_value"),
            "on_headers_finished": self._note("headers"),
            "on_part_data": self._note_data("data"),
            "on_part_end": self._note("part"),
            "on_end": self._note("end"),
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """The events of one chunk, each with its bytes. Raises ProblemError 400 for what is not well-formed."""
        self._events.clear()
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from error
        return self._events

    def _note(self, event: str) -> Callable[[], None]:
        return lambda: self._events.append((event, b""))

    def _note_data(self, event: str) -> Callable[[bytes, int, int], None]:
        return lambda data, start, end: self._events.append((event, data[start:end]))


class PartHeaders:
    """The headers of one part, whose names and values may come in pieces."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []

    def add(self, event: str, data: bytes) -> None:
        if event == "header_name" and (not self._headers or self._headers[-1][1]):
            self._headers.append((data, b""))
        else:
            name, value = self._headers[-1]
            self._headers[-1] = (name + data, value) if event == "header_name" else (name, value + data)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(name) + len(value) for name, value in self._headers)

    def disposition(self, shown_name: Callable[[str], str] = plain_name) -> tuple[str, str | None]:
        """The field's name, and the file's as ``shown_name`` reads it: None for a plain field."""
        headers = {name.lower(): value for name, value in self._headers}
        _, options = parse_options_header(headers.get(b"content-disposition"))
        field_name = options.get(b"name", b"").decode("utf-8", "replace")
        file_name = options.get(b"filename")
        return field_name, None if file_name is None else shown_name(file_name.decode("utf-8", "replace"))


class _Part:
    """The part of the form that is arriving: a plain field, or the file."""

    def __init__(self) -> None:
        self.file: ReceivedFile | None = None
        self.value = b""
        self.headers = PartHeaders()
        self._name = ""

    def start(self, form: Form, folder: Path, limits: FormLimits) -> None:
        self._name, file_name = self.headers.disposition(limits.shown_name)
        if file_name is None:
            return
        if self._name != limits.file_field:
            detail = f"The form has a file in the field {self._name!r}; send it in the field {limits.file_field!r}."
            raise ProblemError(422, "unknown-file-field", "Unknown file field", detail)
        if form.file:
            form.file.begin_another(file_name)
        else:
            form.file = limits.receive(file_name, folder / f"form-{uuid4().hex}")
        self.file = form.file

    async def finish(self, form: Form, limits: FormLimits) -> None:
        if self.file:
            await self.file.finish(limits)
        else:
            form.add(self._name, self.value.decode("utf-8", "replace"))


def _malformed(reason: str) -> ProblemError:
    return ProblemError(400, "malformed-form", "Malformed form", f"The multipart form cannot be read: {reason}.")


def _too_many_fields() -> ProblemError:
    detail = f"The form's fields beside its file are larger than {FIELD_BYTES:,} bytes together."
    return ProblemError(413, "form-too-large", "Form too large", detail)
