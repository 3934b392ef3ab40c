"""Answer HEAD wherever there is a GET (RFC 9110, 9.3.2): the same status and headers, with no body."""

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _Answered(Exception):  # noqa: N818 - ends a request whose answer has been sent
    pass


class HeadRequests:
    """Turn HEAD into GET for the application, but for routes that answer HEAD themselves, and leave the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or _has_own(scope["app"].routes, scope):
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            if message.get("more_body"):  # a large file or an endless stream: the rest is not made
                raise _Answered

        try:
            # A copy: the server needs to know that it was HEAD.
            await self._app({**scope, "method": "GET"}, receive, send_without_body)
        except* _Answered:
            pass


def _has_own(routes: list[BaseRoute], scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in routes)
