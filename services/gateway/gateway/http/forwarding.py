"""Requests that a model server answers: passed on while they arrive, under limits that hold while they arrive.

Nothing is kept here, so a large zip costs the gateway no memory; what a form means, the model server says. Its answers
and problem documents go back as they are.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext

from fastapi import Request, Response
from python_multipart.multipart import parse_options_header

from framesense.clients.async_base import Answer, AsyncServiceClient, Query
from framesense.http.problems import ProblemError
from framesense.http.uploads import UploadLimits, unless_disconnected
from gateway.http.multipart import HEADER_EVENTS, MultipartEvents, PartHeaders, body_chunks, not_a_form, too_large

Body = AsyncGenerator[bytes]


async def forward(
    request: Request, server: AsyncServiceClient, path: str, *, query: Query | None = None, body: Body | None = None
) -> Response:
    """What the server answers to this request at ``path``. ``body``: :func:`form_body` or :func:`limited_body`; without
    one the request's own is not passed on.

    Raises ProblemError 503 without an answer, and what the body raises; ClientDisconnect when the caller has gone, of
    which the server is told.
    """
    body_read = asyncio.Event()
    if body is None:
        body_read.set()
    passing = _pass_on(request, server, path, query, body and _until_read(body, body_read))
    return as_response(await unless_disconnected(request, passing, body_read=body_read))


def as_response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, answer.media_type or None)


async def limited_body(request: Request, max_bytes: int, silence: float) -> Body:
    """The request's body as it arrives.

    Raises ProblemError: 413 over ``max_bytes``, 408 after ``silence`` seconds without any; ClientDisconnect.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _request_too_large(max_bytes)
    received = 0
    async with aclosing(body_chunks(request, silence)) as chunks:
        async for chunk in chunks:
            received += len(chunk)
            if received > max_bytes:
                raise _request_too_large(max_bytes)
            yield chunk


async def form_body(request: Request, limits: UploadLimits, silence: float, *, file_field: str = "images") -> Body:
    """The body of a multipart form as it arrives.

    Raises like :func:`limited_body`; also 415 for no form (sent in ``file_field``, say the words), 400 for a malformed
    one, 413 for too many or too large files.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise not_a_form(file_field)
    guard = _FileGuard(options[b"boundary"], limits)
    async with aclosing(limited_body(request, limits.max_bytes, silence)) as chunks:
        async for chunk in chunks:
            guard.look(chunk)
            yield chunk


class _FileGuard:
    """Counts a form's files and their bytes as they pass by."""

    def __init__(self, boundary: bytes, limits: UploadLimits) -> None:
        self._events, self._limits = MultipartEvents(boundary), limits
        self._headers = PartHeaders()
        self._files = 0
        self._size: int | None = None
        """Of the file that is passing; None in a plain field."""

    def look(self, chunk: bytes) -> None:
        for event, data in self._events.feed(chunk):
            if event == "begin":
                self._headers, self._size = PartHeaders(), None
            elif event in HEADER_EVENTS:
                self._headers.add(event, data)
            elif event == "headers" and self._headers.disposition()[1] is not None:
                self._size, self._files = 0, self._files + 1
                if self._files > self._limits.max_files:
                    detail = f"At most {self._limits.max_files} files are taken in one request. Send several requests."
                    raise ProblemError(413, "too-many-files", "Too many files", detail)
            elif event == "data" and self._size is not None:
                self._size += len(data)
                if self._size > self._limits.max_file_bytes:
                    raise too_large(self._limits.max_file_bytes)


def _request_too_large(limit: int) -> ProblemError:
    detail = f"The request is larger than the {limit:,} bytes that are taken. Send less, or in parts."
    return ProblemError(413, "request-too-large", "Request too large", detail)


async def _pass_on(
    request: Request, server: AsyncServiceClient, path: str, query: Query | None, body: Body | None
) -> Answer:
    media_type = request.headers.get("content-type") if body else None
    async with aclosing(body) if body else nullcontext():
        return await server.pass_on(
            request.method, path, query=query, body=body, media_type=media_type, request_id=request.state.request_id
        )


async def _until_read(body: Body, body_read: asyncio.Event) -> Body:
    async with aclosing(body):
        async for chunk in body:
            yield chunk
    body_read.set()
