"""Refuse what web pages of elsewhere make a browser send to a service.

A browser sends requests for any page to any address, this machine's own included, and without being asked where they
are of a kind that a form could send. It does say on whose behalf: in Origin and Sec-Fetch-Site, which no page can
change. Programs such as curl send neither, and are let through.
"""

from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from framesense.http.hosts import AllowedHosts
from framesense.http.origins import AllowedOrigins
from framesense.http.problems import ProblemError, problem_response

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing. Whether a page may read their answers is a matter of CORS, which browsers see to."""
_OWN_SITES = ("same-origin", "none")


@dataclass(frozen=True)
class BrowserPolicy:
    """Which host names a service answers to, and whose pages may change something in it, or build its answers in."""

    hosts: AllowedHosts = field(default_factory=AllowedHosts)
    origins: AllowedOrigins = field(default_factory=AllowedOrigins)

    def refusal(self, method: str, headers: Headers) -> ProblemError | None:
        """Return why a request is refused: 421 for a host name that is not known, 403 for a page of elsewhere."""
        hosts = headers.getlist("host")
        for host in hosts:
            if not self.hosts.allow(host):
                return unknown_host(host)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if method in READING:
            built_in = site == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
            return foreign_page(origin or "another site") if built_in and not self._embeds(headers) else None
        if origin is None:
            return None if site in _OWN_SITES else foreign_page(f"another origin ({site})")
        return None if self.trusts(headers) else foreign_page(origin)

    def _embeds(self, headers: Headers) -> bool:
        """Tell whether a page of another site may build an answer in: a picture's request does not say whose it is."""
        return self.trusts(headers) if "origin" in headers else bool(self.origins.listed)

    def trusts(self, headers: Headers) -> bool:
        """Tell whether a request is of a page that may read the answer: its origin is allowed, at a known host."""
        host = headers.get("host", "")
        return self.hosts.allow(host) and self.origins.allow(headers.get("origin", ""), host)


class BrowserGuard:
    """Answer what a :class:`BrowserPolicy` refuses. Opening a WebSocket counts as changing something."""

    def __init__(self, app: ASGIApp, policy: BrowserPolicy) -> None:
        self._app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._policy.refusal(scope.get("method", "WEBSOCKET"), Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: a bare 403
        else:
            response = problem_response(HTTPConnection(scope), refusal.document(), refusal.headers)
            await response(scope, receive, send)


def unknown_host(host: str) -> ProblemError:
    """Return the 421 for a Host header that the service does not answer to."""
    detail = (
        f"This service does not answer to the host name {host[:200]!r}. Call it by its IP address or as localhost; "
        "whoever runs it can add names with the setting ALLOWED_HOSTS."
    )
    return ProblemError(421, "unknown-host", "Unknown host", detail)


def foreign_page(origin: str) -> ProblemError:
    """Return the 403 for a request that a browser sends for a page of elsewhere."""
    detail = (
        f"A web page of {origin[:200]} may not do this here. Whoever runs the gateway can let it, with the setting "
        "GATEWAY_CORS_ORIGINS."
    )
    return ProblemError(403, "foreign-page", "Foreign page", detail)
