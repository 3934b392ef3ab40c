"""Connections of uvicorn's that neither wait for ever for the headers of a request nor take any number of them."""

import asyncio
from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.auto import AutoHTTPProtocol

if TYPE_CHECKING:  # uvicorn's two protocols have the same parts
    from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol
else:
    Protocol = object


TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 38\r\n"
    b"connection: close\r\n\r\nThe request's headers are too large.\r\n"
)


class TimedHeaders(Protocol):
    """Close a connection whose next request has not shown all of its headers in ``header_timeout`` seconds, or within
    ``max_header_bytes`` and what was read with them: of uvicorn's two parsers the faster one takes headers without end.

    To be mixed into one of uvicorn's protocols. A new connection that sends nothing is closed as well; one that is kept
    alive between two requests has uvicorn's own time-out.
    """

    header_timeout: float
    max_header_bytes: int
    _header_bytes: int = 0
    _in_body: bool = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        was_body = self._receives_body
        super().data_received(data)
        # a body may go on after its answer, as where a service refuses a file before it has come
        is_header = not (self._answering or was_body or self._receives_body)
        self._header_bytes = self._header_bytes + len(data) if is_header else 0
        if self._answering:
            self._stop()
        elif self._header_bytes > self.max_header_bytes:
            self.transport.write(TOO_LARGE)
            self.transport.close()
        elif self._timer is None:
            self._wait_for_headers()

    def on_headers_complete(self) -> None:  # httptools calls these two; h11 knows by itself
        self._in_body = True
        super().on_headers_complete()  # type: ignore[misc]

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()  # type: ignore[misc]

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _receives_body(self) -> bool:
        parser = getattr(self, "conn", None)
        return self._in_body if parser is None else parser.their_state is h11.SEND_BODY

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


def timed_protocol(header_timeout: float, max_header_bytes: int) -> type[TimedHeaders]:
    """Return the protocol class for ``uvicorn.Config(http=...)``. ``header_timeout``: seconds."""
    limits = {"header_timeout": header_timeout, "max_header_bytes": max_header_bytes}
    return type("TimedProtocol", (TimedHeaders, AutoHTTPProtocol), limits)
