"""Bound what the body of a request may cost, whichever route reads it: silence, slowness, and the size of JSON."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Self

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framesense.http.problems import ProblemError, problem_response
from framesense.settings import ServerSettings


@dataclass(frozen=True)
class BodyLimits:
    """Limit how long a client may let a service wait for a body, and the JSON that the framework reads for a route.

    ``idle_timeout``: seconds of silence; ``min_rate``: bytes a second, on the average, once so many seconds were spent
    waiting; ``max_json_bytes``: bytes of a JSON document. Forms and files have limits of their own.
    """

    idle_timeout: float = 60.0
    min_rate: float = 1024.0
    max_json_bytes: int = 4 * 1024**2

    @classmethod
    def of(cls, settings: ServerSettings) -> Self:
        """Return the limits that the settings ask for."""
        return cls(settings.upload_idle_timeout, settings.upload_min_rate, settings.max_json_bytes)


class BoundedBodies:
    """Answer 408 to a client that sends its body too slowly or not at all, 413 to a JSON document that is too large."""

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, self._limits)
        refused = False

        async def send_or_refuse(message: Message) -> None:
            nonlocal refused
            # The framework answers 400 to whatever goes wrong while it reads a body: the reason is answered instead.
            if body.problem and message["type"] == "http.response.start":
                refused = True
                headers = {**body.problem.headers, "Connection": "close"}
                await problem_response(Request(scope), body.problem.document(), headers)(scope, receive, send)
            elif not refused:
                await send(message)

        await self._app(scope, body.receive, send_or_refuse)


class _Body:
    """Receive a body within limits, and remember why it was given up."""

    def __init__(self, scope: Scope, receive: Receive, limits: BodyLimits) -> None:
        self.problem: ProblemError | None = None
        self._scope, self._receive, self._limits = scope, receive, limits
        self._received, self._waited = 0, 0.0
        self._complete = False

    async def receive(self) -> Message:
        """Receive the next message. Raises ProblemError: 408 and 413."""
        if self._complete:  # what comes now is that the client hangs up, which may take as long as it likes
            return await self._receive()
        try:
            self._check_size(_declared_length(self._scope))
            message = await self._next()
            self._received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            self._check_size(self._received)
        except ProblemError as problem:
            self.problem = problem
            raise
        return message

    async def _next(self) -> Message:
        limits, began = self._limits, monotonic()
        left = limits.idle_timeout + self._received / limits.min_rate - self._waited
        try:
            async with asyncio.timeout(min(limits.idle_timeout, left)):
                return await self._receive()
        except TimeoutError:
            raise self._too_slow(left) from None
        finally:
            self._waited += monotonic() - began

    def _too_slow(self, left: float) -> ProblemError:
        if left < self._limits.idle_timeout:
            said = f"The body arrived at less than {self._limits.min_rate:g} bytes a second"
        else:
            said = f"Nothing arrived for {self._limits.idle_timeout:g} seconds"
        return ProblemError(
            408, "upload-timeout", "Upload timed out", f"{said}, so the upload was given up. Send it again."
        )

    def _check_size(self, size: int) -> None:
        # Routes whose body the framework reads, whole; all others read theirs piece by piece, within their own limits.
        if size > self._limits.max_json_bytes and getattr(self._scope.get("route"), "body_field", None):
            detail = f"The JSON document is larger than the {self._limits.max_json_bytes:,} bytes that are taken."
            raise ProblemError(413, "request-too-large", "Request too large", detail)


def _declared_length(scope: Scope) -> int:
    declared = Headers(scope=scope).get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0
