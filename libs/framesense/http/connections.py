"""Connections of uvicorn's that do not wait for ever for the headers of a request."""

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:  # uvicorn's two protocols have the same parts
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol
else:
    Protocol = object


class TimedHeaders(Protocol):
    """Close a connection whose next request has not shown all of its headers in ``header_timeout`` seconds.

    To be mixed into one of uvicorn's protocols. A new connection that sends nothing is closed as well; one that is kept
    alive between two requests has uvicorn's own time-out.
    """

    header_timeout: float
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._answering:
            self._stop()
        elif self._timer is None:
            self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_headers(self) -> None:
        self._timer = self.loop.call_later(self.header_timeout, self._close)

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._timer = None
        if not self._answering:
            self.transport.close()


def timed_protocol(header_timeout: float) -> type[TimedHeaders]:
    """Return the protocol class for ``uvicorn.Config(http=...)``. ``header_timeout``: seconds."""
    return type("TimedProtocol", (TimedHeaders, AutoHTTPProtocol), {"header_timeout": header_timeout})
