"""Stored blobs and files made for the moment as answers, whole or one byte range (RFC 9110, section 14), so that a
player can seek.

The framework's file answers want a path that stays; a blob may lie in an object store.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO

from fastapi import Response
from fastapi.responses import StreamingResponse

from framesense.http.problems import ProblemError
from framesense.storage.blobs import Storage

CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


async def blob_response(
    storage: Storage, key: str, *, media_type: str, etag: str, request_headers: Mapping[str, str]
) -> Response:
    """Answer with a blob, or the range of it that the request asks for.

    Raises FileNotFoundError, and a 416 problem for a range beyond the end.
    """
    size = await asyncio.to_thread(storage.size, key)
    opening = partial(storage.open, key)
    return await _answer(opening, size, media_type=media_type, etag=etag, request_headers=request_headers, headers={})


async def temporary_file_response(
    path: Path, *, media_type: str, headers: Mapping[str, str], request_headers: Mapping[str, str]
) -> Response:
    """Answer with a file that may be deleted at once, or the range of it that the request asks for.

    It stays readable while it is open. Its ETag follows from its content: whoever asks for the rest of one that was
    made anew with other bytes by If-Range gets the whole. Raises a 416 problem for a range beyond the end.
    """
    etag = f'"{await asyncio.to_thread(_sha256, path)}"'
    return await _answer(
        lambda: path.open("rb"),
        path.stat().st_size,
        media_type=media_type,
        etag=etag,
        request_headers=request_headers,
        headers=headers,
    )


async def _answer(
    opening: Callable[[], IO[bytes]],
    size: int,
    *,
    media_type: str,
    etag: str,
    request_headers: Mapping[str, str],
    headers: Mapping[str, str],
) -> Response:
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "X-Content-Type-Options": "nosniff", **headers}
    unchanged = request_headers.get("if-range", etag) == etag
    wanted = _byte_range(request_headers.get("range"), size) if unchanged else None
    start, stop = wanted or (0, size)
    headers["Content-Length"] = str(stop - start)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    file = await asyncio.to_thread(opening)
    return StreamingResponse(_read(file, start, stop), 206 if wanted else 200, headers, media_type)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last, or None where the whole is to be sent.

    The whole is sent where there is no range, several, or another unit. Raises a 416 problem.
    """
    match = _RANGE.fullmatch((header or "").replace(" ", ""))
    if match is None or match.group(1, 2) == ("", ""):
        return None
    first, last = match.groups()
    if first:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
    else:
        start, stop = max(size - int(last), 0), size
    if start >= stop:
        detail = f"The range {header} lies outside the file's {size} bytes."
        headers = {"Content-Range": f"bytes */{size}"}
        raise ProblemError(416, "range-not-satisfiable", "Range not satisfiable", detail, headers=headers)
    return start, stop


async def _read(file: IO[bytes], start: int, stop: int) -> AsyncIterator[bytes]:
    try:
        await asyncio.to_thread(file.seek, start)
        while start < stop:
            chunk = await asyncio.to_thread(file.read, min(CHUNK_BYTES, stop - start))
            if not chunk:
                return
            start += len(chunk)
            yield chunk
    finally:
        file.close()
