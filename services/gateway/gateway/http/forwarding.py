"""Requests that a model server answers: passed on while they arrive, under limits that hold while they arrive.

Nothing is kept here, so a large zip costs the gateway no memory; what a form means, the model server says. Its answers
and problem documents go back as they are.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext

from fastapi import Request, Response

from framesense.clients.answers import Answer
from framesense.clients.base import AsyncServiceClient, Query
from framesense.http.disconnects import unless_disconnected
from framesense.http.multipart import (
    MultipartEvent,
    MultipartEvents,
    PartHeaders,
    file_too_large,
    limited_body,
    multipart_boundary,
    not_a_form,
    too_many_files,
)
from framesense.http.uploads import UploadLimits

Body = AsyncGenerator[bytes]


async def forward(
    request: Request, server: AsyncServiceClient, path: str, *, query: Query | None = None, body: Body | None = None
) -> Response:
    """Ask a model server at ``path`` what this request asks, and return its answer.

    ``body``: :func:`form_body` or :func:`limited_body`; without one the request's own is not passed on.

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


async def form_body(request: Request, limits: UploadLimits, silence: float, *, file_field: str = "images") -> Body:
    """Pass the body of a multipart form on as it arrives.

    Raises like :func:`limited_body`; also 415 for no form (sent in ``file_field``, say the words), 400 for a malformed
    one, 413 for too many or too large files.
    """
    boundary = multipart_boundary(request)
    if boundary is None:
        raise not_a_form(file_field)
    guard = _FileGuard(boundary, limits)
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
            if event is MultipartEvent.PART_BEGIN:
                self._headers, self._size = PartHeaders(), None
            elif event is MultipartEvent.HEADERS_END and self._headers.disposition()[1] is not None:
                self._size, self._files = 0, self._files + 1
                if self._files > self._limits.max_files:
                    raise too_many_files(self._limits.max_files)
            elif event is MultipartEvent.DATA and self._size is not None:
                self._size += len(data)
                if self._size > self._limits.max_file_bytes:
                    raise file_too_large(self._limits.max_file_bytes)
            else:
                self._headers.add(event, data)


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
