"""Read uploaded files into memory, within limits that hold while they arrive."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from framesense.http.declared_names import refuse_unknown_fields
from framesense.http.multipart import (
    MultipartEvent,
    MultipartEvents,
    PartHeaders,
    file_too_large,
    limited_body,
    malformed_form,
    multipart_boundary,
    not_a_file,
    not_a_form,
    too_many_files,
)
from framesense.http.problems import ProblemError

MAX_VALUE_BYTES = 1024 * 1024
"""Bytes of one plain field."""

IMAGE_FIELDS = ("images", "image", "file")
"""The form fields an image may come in."""


@dataclass(frozen=True)
class UploadLimits:
    """Limit one request to ``max_bytes`` in all, ``max_file_bytes`` a file and ``max_files`` files."""

    max_bytes: int
    max_file_bytes: int
    max_files: int


@dataclass(frozen=True)
class Upload:
    """One uploaded file, whole, in memory."""

    content: bytes
    filename: str
    media_type: str | None


def images_form(field: str = IMAGE_FIELDS[0], *, closed: bool = True) -> dict[str, Any]:
    """Return the ``openapi_extra=`` of a route that reads its images with :func:`read_uploads`.

    ``closed``: other fields are refused.
    """
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    schema: dict[str, Any] = {"type": "object", "required": [field], "properties": {field: files}}
    if closed:
        schema["additionalProperties"] = False
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

    def file(self, field: str) -> Upload | None:
        """Return the field's one file, or None. Raises ProblemError 422 for several."""
        found = self.all(field)
        if len(found) > 1:
            detail = f"The form holds {len(found)} files in the field {field!r}; one is taken."
            raise ProblemError(422, "too-many-files", "Too many files", detail)
        return found[0] if found else None

    def all(self, field: str) -> list[Upload]:
        """Return the field's files, in the order sent."""
        return [file for name, file in self.files if name == field]


async def read_uploads(request: Request, limits: UploadLimits, *, fields: Sequence[str] = IMAGE_FIELDS) -> list[Upload]:
    """Read the files of a multipart request, in the order sent.

    Raises:
        ProblemError: 413 over a limit (while reading, not after), 415 not multipart, 400 malformed, 422 no file.
        RequestValidationError: fields that the route does not declare, unless it ignores those.
        ClientDisconnect: the caller hung up midway.
    """
    return (await read_form(request, limits, fields=fields)).files


async def read_form(
    request: Request, limits: UploadLimits, *, fields: Sequence[str] = IMAGE_FIELDS, max_values: int = 100
) -> Form:
    """Read a form's files as :func:`read_uploads` does, and its other values.

    At most ``max_values`` values are read, each of at most ``MAX_VALUE_BYTES``.
    """
    form = await read_named_form(request, limits, fields=fields, max_values=max_values)
    if not form.files:
        detail = f"The form holds no file. Send at least one in the field {fields[0]!r}: curl -F {fields[0]}=@photo.jpg"
        raise ProblemError(422, "no-file", "No file", detail)
    return Form([file for _, file in form.files], form.values)


async def read_named_form(
    request: Request, limits: UploadLimits, *, fields: Sequence[str], max_values: int = 100
) -> NamedForm:
    """Read a form as :func:`read_form` does, each file with its field; there need not be any file."""
    boundary = multipart_boundary(request)
    if boundary is None:
        raise not_a_form(fields[0])
    events, reader = MultipartEvents(boundary), _FormReader(limits, fields, max_values)
    # Files stay in memory: they are decoded there anyway, and a read-only container has no disk for them.
    async with aclosing(limited_body(request, limits.max_bytes)) as chunks:
        async for chunk in chunks:
            for event, data in events.feed(chunk):
                reader.take(event, data)
    form = reader.finish()
    refuse_unknown_fields(request, form.values, files=reader.other_files, known=fields)
    return form


@dataclass
class _FormReader:
    """Build a form of the events of its parts."""

    limits: UploadLimits
    fields: Sequence[str]
    max_values: int
    form: NamedForm = field(default_factory=lambda: NamedForm([], {}))
    other_files: list[str] = field(default_factory=list)
    """The fields of files that are not taken; what these hold is dropped."""
    _headers: PartHeaders = field(default_factory=PartHeaders)
    _content: bytearray = field(default_factory=bytearray)
    _name: str = ""
    _file_name: str | None = None
    _file_count: int = 0
    _value_count: int = 0
    _ended: bool = False

    def take(self, event: MultipartEvent, data: bytes) -> None:
        """Raise ProblemError 400, 413 or 422 as soon as the form cannot be taken."""
        match event:
            case MultipartEvent.PART_BEGIN:
                self._headers, self._content = PartHeaders(), bytearray()
            case MultipartEvent.HEADERS_END:
                self._begin()
            case MultipartEvent.DATA:
                self._add(data)
            case MultipartEvent.PART_END:
                self._end()
            case MultipartEvent.END:
                self._ended = True
            case _:
                self._headers.add(event, data)

    def finish(self) -> NamedForm:
        """Return the form. Raises ProblemError 400 where its closing boundary is missing."""
        if not self._ended:
            raise malformed_form("it ends before its closing boundary")
        return self.form

    def _begin(self) -> None:
        self._name, file_name = self._headers.disposition()
        if not self._name:
            raise malformed_form("a part has no name in its Content-Disposition")
        if file_name is None:
            self._value_count += 1
            if self._value_count > self.max_values:
                raise malformed_form(f"it has more than {self.max_values} fields")
        else:
            self._file_count += 1
            if self._file_count > self.limits.max_files:
                raise too_many_files(self.limits.max_files)
            file_name = file_name or f"file {len(self.form.files) + 1}"
        self._file_name = file_name

    def _add(self, data: bytes) -> None:
        if self._file_name is None and len(self._content) + len(data) > MAX_VALUE_BYTES:
            raise malformed_form(f"the field {self._name[:80]!r} is larger than {MAX_VALUE_BYTES:,} bytes")
        if self._file_name is not None and len(self._content) + len(data) > self.limits.max_file_bytes:
            raise file_too_large(self.limits.max_file_bytes, self._file_name)
        self._content += data

    def _end(self) -> None:
        wanted = self._name in self.fields
        if self._file_name is None:
            if wanted:
                raise not_a_file(self._name)
            self.form.values.setdefault(self._name, []).append(self._content.decode("utf-8", "replace"))
        elif wanted:
            upload = Upload(bytes(self._content), self._file_name, self._headers.content_type())
            self.form.files.append((self._name, upload))
        else:
            self.other_files.append(self._name)
