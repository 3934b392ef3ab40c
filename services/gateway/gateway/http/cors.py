"""Which pages may call the gateway from a browser: those of its own host, whatever their port, and those listed."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

EXPOSED = (
    "Content-Disposition",
    "Content-Range",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "X-Job-ID",
    "X-Request-ID",
)
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST")


class SameHostCORS:
    """The browser page is served on another port of the same host, which to a browser is another origin."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._listed = CORSMiddleware(app, origins, allow_methods=METHODS, allow_headers=("*",), expose_headers=EXPOSED)
        self._same_host = CORSMiddleware(
            app, allow_origin_regex=".*", allow_methods=METHODS, allow_headers=("*",), expose_headers=EXPOSED
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        same = scope["type"] == "http" and _same_host(Headers(scope=scope))
        await (self._same_host if same else self._listed)(scope, receive, send)


def _same_host(headers: Headers) -> bool:
    try:
        origin = urlsplit(headers.get("origin", "")).hostname
        return origin is not None and origin == urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:  # brackets that are no IPv6 address
        return False
