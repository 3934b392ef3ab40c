"""Let the pages of some origins read what the gateway answers; to all others CORS stays closed."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from framesense.http.browsers import BrowserPolicy

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
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class PageCORS:
    """Answer pages of allowed origins with CORS headers: the browser page is served on another port, which to a browser
    is another origin. That page may use the session's cookie, pages that are allowed besides may not.
    """

    def __init__(self, app: ASGIApp, policy: BrowserPolicy) -> None:
        self._policy = policy
        self._closed = CORSMiddleware(app, allow_methods=METHODS)
        self._open, self._own = (
            CORSMiddleware(
                app,
                allow_origin_regex=".*",
                allow_methods=METHODS,
                allow_headers=("*",),
                allow_credentials=credentials,
                expose_headers=EXPOSED,
            )
            for credentials in (False, True)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answering(scope)(scope, receive, send)

    def _answering(self, scope: Scope) -> CORSMiddleware:
        if scope["type"] != "http":
            return self._closed
        headers = Headers(scope=scope)
        if not self._policy.trusts(headers):
            return self._closed
        own = self._policy.origins.own(headers.get("origin", ""), headers.get("host", ""))
        return self._own if own else self._open
