"""Let the pages of some origins read what the gateway answers; to all others CORS stays closed."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from framesense.http.browsers import BrowserPolicy
from framesense.http.problems import ProblemError
from framesense.schemas.problems import MEDIA_TYPE

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


class _Preflights(CORSMiddleware):
    """Starlette's, whose refusals are problem documents."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks whether a page may send a request."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        refused = bytes(response.body).decode().removeprefix("Disallowed CORS ")
        detail = (
            f"A page of {request_headers['origin'][:200]} may not send this request here ({refused} not allowed). "
            "Whoever runs the gateway can let it, with the setting GATEWAY_CORS_ORIGINS."
        )
        document = ProblemError(response.status_code, "foreign-page", "Foreign page", detail).document()
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        body = document.model_dump(mode="json", exclude_none=True)
        return JSONResponse(body, response.status_code, headers=kept, media_type=MEDIA_TYPE)


class PageCORS:
    """Answer pages of allowed origins with CORS headers: the browser page is served on another port, which to a browser
    is another origin. That page may use the session's cookie, pages that are allowed besides may not.
    """

    def __init__(self, app: ASGIApp, policy: BrowserPolicy) -> None:
        self._policy = policy
        self._closed = _Preflights(app, allow_methods=METHODS)
        self._open, self._own = (
            _Preflights(
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

    def _answering(self, scope: Scope) -> _Preflights:
        if scope["type"] != "http":
            return self._closed
        headers = Headers(scope=scope)
        if not self._policy.trusts(headers):
            return self._closed
        own = self._policy.origins.own(headers.get("origin", ""), headers.get("host", ""))
        return self._own if own else self._open
