"""The FastAPI application every service starts from: request ids, problem documents, health, readiness, metrics.

``/health`` answers 200 while the process runs; ``/ready`` answers 200 once every check passes, else 503 with the
reasons, and names what is missing besides; ``/metrics`` is Prometheus text.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framesense.http.bodies import BodyLimits, BoundedBodies
from framesense.http.browsers import BrowserGuard, BrowserPolicy
from framesense.http.declared_names import declared_methods, ignore_unknown_names, refuse_unknown_query
from framesense.http.head import HeadRequests
from framesense.http.problems import NO_ROOM, ProblemError, problem_response, storage_full
from framesense.http.security_headers import DOCUMENTATION_POLICY, SecurityHeaders
from framesense.http.validation import validation_problem
from framesense.logs import within_request
from framesense.schemas.problems import Problem

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]
"""Returns when ready, else raises an exception whose text tells a person what to do."""
Warnings = Callable[[], Awaitable[Mapping[str, str]]]
"""Returns what does not work, by name, in words that tell a person what to do; bounded in time."""
WARNINGS_KEPT = 2.0
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""Seconds: a caption takes milliseconds, on a busy machine half a minute; a request that waits for a job, minutes."""
Guard = Callable[[ASGIApp], ASGIApp]
"""Builds a middleware around an application."""
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_service(
    title: str,
    *,
    lifespan: Lifespan | None = None,
    checks: Mapping[str, Check] | None = None,
    warnings: Warnings | None = None,
    registry: CollectorRegistry | None = None,
    browsers: BrowserPolicy | None = None,
    bodies: BodyLimits = BodyLimits(),
    guard: Guard | None = None,
    **fastapi_options: Any,
) -> FastAPI:
    """Build an application without routes of its own subject; the caller includes its routers.

    ``checks`` are the readiness checks by name; ``warnings`` tells what does not work though the service does, and is
    asked at most once in :data:`WARNINGS_KEPT` seconds; ``registry`` holds the service's own metrics, to which the HTTP
    metrics are added; ``browsers`` says what is refused of web pages, by default those of other origins and unknown
    host names; ``bodies`` how slowly a request's body may arrive, and how large a JSON document may be; ``guard``
    stands before everything that reads a request, and answers those who may not send it.
    """
    registry = registry or CollectorRegistry()
    every_route = [Depends(refuse_unknown_query), Depends(_refuse_half_pairs)]
    # FastAPI's own documentation pages fetch their scripts from a CDN; these come from the package.
    app = FastAPIOffline(title=title, lifespan=lifespan, dependencies=every_route, **fastapi_options)
    app.add_exception_handler(ProblemError, _problem_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, validation_problem)
    app.add_exception_handler(ClientDisconnect, _client_disconnect)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(BoundedBodies, limits=bodies)
    if guard:
        app.add_middleware(guard)
    app.add_middleware(BrowserGuard, policy=browsers or BrowserPolicy())
    app.add_middleware(RequestMetrics, registry=registry)
    app.add_middleware(RequestId)
    app.add_middleware(HeadRequests)
    documentation = dict.fromkeys(("/docs", "/redoc"), DOCUMENTATION_POLICY)
    app.add_middleware(SecurityHeaders, pages=documentation)
    app.add_exception_handler(OSError, _no_room)
    named_checks = dict(checks or {})
    missing = _Kept(warnings) if warnings else None

    # Probes and scrapers are set up by people who add parameters of their own.
    operations: dict[str, Any] = {"tags": ["operations"], "dependencies": [Depends(ignore_unknown_names)]}

    @app.get("/health", summary="Is the process alive?", **operations)
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", summary="Can it serve?", responses={503: {"model": Problem}}, **operations)
    async def ready() -> dict[str, Any]:
        reasons = await asyncio.gather(*map(_failure, named_checks.values()))
        failures = {name: reason for name, reason in zip(named_checks, reasons, strict=True) if reason}
        if failures:
            detail = "; ".join(f"{name}: {reason}" for name, reason in failures.items())
            raise ProblemError(503, "not-ready", "Not ready", detail, headers={"Retry-After": "2"})
        found = await missing.get() if missing else {}
        if found:
            return {"status": "degraded", "checks": sorted(named_checks), "warnings": found}
        return {"status": "ready", "checks": sorted(named_checks)}

    @app.get("/metrics", summary="Prometheus metrics", response_class=Response, **operations)
    def metrics() -> Response:  # in a thread: a collector may ask a database
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


async def _failure(check: Check) -> str | None:
    try:
        await check()
    except Exception as error:  # a check may fail in any way; what matters is that its reason is told
        return str(error) or type(error).__name__
    return None


class _Kept:
    """Keeps an answer for a while; one that is being found out is waited for by all who ask."""

    def __init__(self, warnings: Warnings) -> None:
        self._warnings, self._lock = warnings, asyncio.Lock()
        self._answer: Mapping[str, str] = {}
        self._until = float("-inf")

    async def get(self) -> Mapping[str, str]:
        async with self._lock:
            if time.monotonic() >= self._until:
                self._answer = await self._warnings()
                self._until = time.monotonic() + WARNINGS_KEPT
            return self._answer


class RequestId:
    """Gives every request an id (the caller's ``X-Request-ID`` when it is a plain one) and returns it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        plain = 0 < len(sent) <= 64 and all(c.isascii() and (c.isalnum() or c in "-_.") for c in sent)
        request_id = sent if plain else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with within_request(request_id):
            await self._app(scope, receive, send_with_id)


class RequestMetrics:
    """Counts requests and their seconds by method, route template and status."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route")
        self._requests = Counter("http_requests", "Requests answered", (*labels, "status"), registry=registry)
        self._seconds = Histogram(
            "http_request_seconds", "Time to the end of the answer", labels, registry=registry, buckets=BUCKETS
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            # The template, not the path: a label per job id would grow without end.
            route = getattr(scope.get("route"), "path", "unmatched")
            self._requests.labels(scope["method"], route, status or "aborted").inc()
            self._seconds.labels(scope["method"], route).observe(time.perf_counter() - started)


async def _refuse_half_pairs(request: Request) -> None:
    """Raise ProblemError 422 for a JSON body with an escaped half of a UTF-16 pair: no answer could ever show it.

    Looks only at what the framework has parsed already; a route that reads its body itself is not disturbed.
    """
    if not hasattr(request, "_json"):
        return
    body = await request.body()
    if b"\\ud" not in body and b"\\uD" not in body:
        return
    try:
        json.dumps(await request.json(), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        found = ascii(error.object[error.start : error.end])
        detail = f"The JSON holds {found}, half of a UTF-16 pair, which is no text. Send the pair, or neither half."
        raise ProblemError(422, "invalid-text", "Invalid text", detail) from None


async def _problem_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(request, error.document(), error.headers)


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    detail, headers = str(error.detail), dict(error.headers or {})
    if error.status_code == 404 and detail == title:
        detail = f"There is nothing at {request.url.path}. /docs lists what there is."
    elif error.status_code == 400 and detail == "There was an error parsing the body":
        detail = "The body cannot be read: it is not JSON in UTF-8."
    elif error.status_code == 405 and detail == title:
        headers["Allow"] = declared_methods(request) or headers.get("Allow", "")
        detail = f"{request.url.path} does not answer {request.method}; it answers {headers['Allow']}."
    problem = Problem(title=title, status=error.status_code, detail=detail)
    return problem_response(request, problem, headers)


async def _client_disconnect(request: Request, error: Exception) -> Response:
    # Nobody reads this answer; the status is nginx's for "client closed request", so that metrics tell it apart.
    return Response(status_code=499)


async def _no_room(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    if error.errno not in NO_ROOM:
        return await _unexpected(request, error)
    log.error("no room on the disk, request %s: %s", getattr(request.state, "request_id", None), error)
    return problem_response(request, storage_full().document())


async def _unexpected(request: Request, error: Exception) -> Response:
    request_id = getattr(request.state, "request_id", None)
    log.error("unexpected error, request %s", request_id, exc_info=error)
    detail = f"Something failed here that should not have. The log has the reason under request id {request_id}."
    problem = Problem(title="Internal Server Error", status=500, detail=detail)
    return problem_response(request, problem)
