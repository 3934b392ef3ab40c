"""The headers by which a browser is told what a page may load, and who may show it or build it in.

They are a second wall: what people write is escaped wherever it is shown, and should that ever fail, no script of
elsewhere runs and nothing can be sent anywhere.
"""

from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Policy = Callable[[Headers], str]
"""Returns the Content-Security-Policy of the page that a request with these headers is answered with."""


def policy_text(directives: Mapping[str, str]) -> str:
    """Write a Content-Security-Policy (CSP Level 3)."""
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


_CLOSED = {"base-uri": "'none'", "frame-ancestors": "'none'"}
API_POLICY = policy_text(
    # A browser shows a picture or a video by itself in a page that loads it once more, with styles of its own.
    {
        "default-src": "'none'",
        "img-src": "'self'",
        "media-src": "'self'",
        "style-src": "'unsafe-inline'",
        "form-action": "'self'",
        **_CLOSED,
    }
)
"""For answers that hold no script: JSON, pictures, videos, and pages without JavaScript."""
DOCUMENTATION_POLICY = policy_text(
    {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data:",
        "worker-src": "blob:",
        "form-action": "'none'",
        **_CLOSED,
    }
)
"""For Swagger UI and ReDoc, which start themselves by an inline script. Nothing that people write is on these pages."""


class SecurityHeaders:
    """Add Content-Security-Policy, X-Content-Type-Options and Referrer-Policy to every answer.

    Args:
        app: what is wrapped.
        policy: of pages whose path is not in ``pages``.
        pages: Content-Security-Policies by path.
    """

    def __init__(
        self,
        app: ASGIApp,
        policy: Policy = lambda _: API_POLICY,
        *,
        pages: Mapping[str, str] | None = None,
    ) -> None:
        self._app, self._policy, self._pages = app, policy, dict(pages or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                policy = self._pages.get(scope["path"]) or self._policy(Headers(scope=scope))
                headers.setdefault("Content-Security-Policy", policy)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
            await send(message)

        await self._app(scope, receive, send_with_headers)
