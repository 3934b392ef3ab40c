"""Stored blobs as answers, whole or one byte range (RFC 9110, section 14), so that a player can seek.

The framework's file answers want a path; a blob may lie in an object store.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
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
    headers = {"Accept-Ranges": "bytes", "ETag": etag, "X-Content-Type-Options": "nosniff"}
    unchanged = request_headers.get("if-range", etag) == etag
    wanted = _byte_range(request_headers.get("range"), size) if unchanged else None
    start, stop = wanted or (0, size)
    headers["Content-Length"] = str(stop - start)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    file = await asyncio.to_thread(storage.open, key)
    return StreamingResponse(_read(file, start, stop), 206 if wanted else 200, headers, media_type)


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
