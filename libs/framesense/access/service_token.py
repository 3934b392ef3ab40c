"""The token between services: the gateway and the worker send it, and model servers refuse whoever does not."""

import hmac

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from framesense.access.credentials import bearer_or_password
from framesense.http.problems import ProblemError, problem_response

OPEN = ("/health", "/ready")
"""Paths that whoever starts a service asks, and that tell nothing else."""


def token_headers(token: str) -> dict[str, str]:
    """Return the headers that carry a token; none where there is none."""
    return {"Authorization": f"Bearer {token}"} if token else {}


class ServiceTokenGuard:
    """Answer 401 to requests without the token, before anything of them is read."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or self._is_sent(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        refusal = _refusal()
        response = problem_response(HTTPConnection(scope), refusal.document(), refusal.headers)
        await response(scope, receive, send)

    def _is_sent(self, headers: Headers) -> bool:
        sent = bearer_or_password(headers.get("authorization", "")) or ""
        return hmac.compare_digest(sent.encode(), self._token)


def _refusal() -> ProblemError:
    detail = (
        "This model server answers the gateway and the worker alone, which know its SERVICE_TOKEN. Call the gateway "
        "instead."
    )
    headers = {"WWW-Authenticate": 'Bearer realm="Framesense services"'}
    return ProblemError(401, "service-token-required", "Service token required", detail, headers=headers)
