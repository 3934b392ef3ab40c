"""A form with a file of any size, streamed: the file goes to a folder of ours while it arrives, under limits that hold
while it arrives.

The framework's own form parsing spools to the system's temporary folder, which in a container is often memory, has no
limit for a file, and leaves a second copy to be made. Here a file that is kept is renamed into the store.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl
from uuid import uuid4

from fastapi import Request

from framesense.http.declared_names import refuse_unknown_fields
from framesense.http.multipart import (
    MultipartEvent,
    MultipartEvents,
    PartHeaders,
    body_chunks,
    declared_length,
    file_too_large,
    malformed_form,
    multipart_boundary,
    not_a_file,
    not_a_form,
)
from framesense.http.problems import NO_ROOM, ProblemError
from framesense.media.names import clean_name
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
    """Return a file name fit to be shown: its last path component, not too long, never empty."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return clean_name(last)[:200].strip() or "unnamed"


class ReceivedFile:
    """The file of a form. It is gone after the form's context, unless moved away."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path, self.size = name, path, 0
        self._buffer = bytearray()
        self._file = path.open("xb")

    def begin_another(self, name: str) -> None:
        """Raise a 422 problem: there is room for one."""
        raise ProblemError(422, "too-many-files", "Too many files", "Send one file at a time.")

    async def write(self, data: bytes, limits: "FormLimits") -> None:
        """Write a part of the file.

        Raises a 413 problem over the limit, and what the limits' inspector raises once it has seen enough.
        """
        undecided = self.size < HEAD_BYTES
        self.size += len(data)
        if self.size > limits.file_bytes:
            raise file_too_large(limits.file_bytes)
        self._buffer += data
        if undecided and self.size >= HEAD_BYTES:
            limits.inspect(self.name, bytes(self._buffer[:HEAD_BYTES]))
        if len(self._buffer) >= BUFFER_BYTES:
            await self._flush()

    async def finish(self, limits: "FormLimits") -> None:
        """Finish the file."""
        if self.size < HEAD_BYTES:
            limits.inspect(self.name, bytes(self._buffer))
        await self._flush()

    async def close(self) -> None:
        """Finish the form."""
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
    is how a file's name is read. ``require_room`` raises a 507 problem where the disk has no room for so many bytes.
    """

    file_field: str
    file_bytes: int
    seconds: float
    inspect: Inspector = lambda name, head: None
    files: int = 1
    receive: Callable[[str, Path], ReceivedFile] = ReceivedFile
    shown_name: Callable[[str], str] = plain_name
    require_room: Callable[[int], None] = lambda size: None


@dataclass
class ReceivedForm:
    """A form whose file, if it has one, lies on disk.

    ``fields`` holds the value of each field, the last one where there are several; ``values`` holds all of them.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    file: ReceivedFile | None = None

    @property
    def fields(self) -> dict[str, str]:
        return {name: values[-1] for name, values in self.values.items()}

    def add(self, name: str, value: str) -> None:
        self.values.setdefault(name, []).append(value)


@asynccontextmanager
async def receive_form(request: Request, folder: Path, limits: FormLimits) -> AsyncIterator[ReceivedForm]:
    """Receive the form of a request: multipart, or urlencoded when it carries no file.

    Its file lives as long as the context.

    Raises ProblemError: 400 for a malformed form, 408 for a silent client, 413 over a limit, 415 for another content
    type, 422 for an unknown or a second file, 507 for more than the disk has room for, and what the inspector raises;
    RequestValidationError for fields that the route does not declare, unless it ignores those; ClientDisconnect when
    the client hung up; OSError where the disk fills up meanwhile.
    """
    form = ReceivedForm()
    try:
        boundary = multipart_boundary(request)
        media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        async with aclosing(body_chunks(request, limits.seconds)) as body:
            if boundary is not None:
                _refuse_declared_length(request, limits)
                try:
                    limits.require_room(max(1, declared_length(request)))
                    await _read_multipart(form, body, MultipartEvents(boundary), folder, limits)
                except (OSError, ProblemError) as error:
                    # A client that still sends would see its connection reset, and never read why.
                    if getattr(error, "errno", None) in NO_ROOM or getattr(error, "status", None) == 507:
                        await _read_away(body)
                    raise
            elif media_type == "application/x-www-form-urlencoded":
                await _read_urlencoded(form, body, limits)
            elif media_type:
                raise not_a_form(limits.file_field)
        refuse_unknown_fields(request, form.values)
        yield form
    finally:
        if form.file:
            form.file.discard()


def _refuse_declared_length(request: Request, limits: FormLimits) -> None:
    if declared_length(request) > limits.file_bytes + FIELD_BYTES + (limits.files - 1) * HEADER_BYTES:
        raise file_too_large(limits.file_bytes)


async def _read_away(body: AsyncIterator[bytes]) -> None:
    """Read the rest of a body; it has the limits that it has anyway."""
    async for _ in body:
        pass


async def _read_urlencoded(form: ReceivedForm, body: AsyncIterator[bytes], limits: FormLimits) -> None:
    data = b""
    async for chunk in body:
        data += chunk
        if len(data) > FIELD_BYTES:
            raise _too_many_fields()
    for name, value in parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True):
        if name == limits.file_field:
            raise not_a_file(name)
        form.add(name, value)


async def _read_multipart(
    form: ReceivedForm, body: AsyncIterator[bytes], parser: "MultipartEvents", folder: Path, limits: FormLimits
) -> None:
    part = _Part()
    around, ended = 0, False
    async for chunk in body:
        for event, data in parser.feed(chunk):
            if event is MultipartEvent.PART_BEGIN:
                part = _Part()
            elif event is MultipartEvent.HEADERS_END:
                part.start(form, folder, limits)
                # The headers of files, of which there may be thousands, have a limit of their own.
                around -= min(part.headers.size, HEADER_BYTES) if part.file else 0
            elif event is MultipartEvent.DATA and part.file:
                await part.file.write(data, limits)
                continue
            elif event is MultipartEvent.DATA:
                part.value += data
            elif event is MultipartEvent.PART_END:
                await part.finish(form, limits)
            else:
                part.headers.add(event, data)
            ended = ended or event is MultipartEvent.END
            around += len(data)
            if around > FIELD_BYTES:
                raise _too_many_fields()
    if not ended:
        raise malformed_form("it ends before its closing boundary")
    if form.file:
        await form.file.close()


class _Part:
    """The part of the form that is arriving: a plain field, or the file."""

    def __init__(self) -> None:
        self.file: ReceivedFile | None = None
        self.value = b""
        self.headers = PartHeaders()
        self._name = ""

    def start(self, form: ReceivedForm, folder: Path, limits: FormLimits) -> None:
        self._name, sent_name = self.headers.disposition()
        if sent_name is None:
            return
        file_name = limits.shown_name(sent_name)
        if self._name != limits.file_field:
            detail = f"The form has a file in the field {self._name!r}; send it in the field {limits.file_field!r}."
            raise ProblemError(422, "unknown-file-field", "Unknown file field", detail)
        if form.file:
            form.file.begin_another(file_name)
        else:
            form.file = limits.receive(file_name, folder / f"form-{uuid4().hex}")
        self.file = form.file

    async def finish(self, form: ReceivedForm, limits: FormLimits) -> None:
        if self.file:
            await self.file.finish(limits)
        elif self._name == limits.file_field:
            raise not_a_file(self._name)
        else:
            form.add(self._name, self.value.decode("utf-8", "replace"))


def _too_many_fields() -> ProblemError:
    detail = f"The form's fields beside its file are larger than {FIELD_BYTES:,} bytes together."
    return ProblemError(413, "form-too-large", "Form too large", detail)
