"""Give work up when its caller has gone."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

T = TypeVar("T")


async def unless_disconnected(request: Request, work: Awaitable[T], *, body_read: asyncio.Event | None = None) -> T:
    """Await the work, but cancel it when the caller hangs up.

    The request's body must have been read, or be read by the work itself, which then sets ``body_read``. Raises
    ClientDisconnect when the caller has gone.
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
