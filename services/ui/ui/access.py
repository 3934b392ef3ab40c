"""Keep what Streamlit answers beside its pages from those whom the gateway does not know.

The pages ask for a key themselves (:mod:`ui.sign_in`); files that are sent to this process, and its own metrics, go
past them.
"""

import asyncio
from http import HTTPStatus

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ui.api import GatewayApi, GatewayError
from ui.shared import session_token

GUARDED = ("/_stcore/upload_file", "/_stcore/metrics")


class SignedInOnly:
    """Answers 401 to requests for :data:`GUARDED` from whoever has to sign in first, before any of a file is read."""

    def __init__(self, app: ASGIApp, *, gateway: httpx.Client) -> None:
        self._app, self._gateway = app, gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None
        if scope["type"] == "http" and scope["path"].startswith(GUARDED):
            refusal = await asyncio.to_thread(self._refusal, Request(scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> PlainTextResponse | None:
        try:
            session = GatewayApi(self._gateway, session_token(request.cookies)).session()
        except GatewayError as error:  # nobody can say whether a key is needed
            return PlainTextResponse(error.problem.detail, HTTPStatus.SERVICE_UNAVAILABLE)
        if session.required and session.key is None:
            return PlainTextResponse("Sign in first.", HTTPStatus.UNAUTHORIZED)
        return None
