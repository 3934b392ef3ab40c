"""What the tus protocol asks of every request and answer, whatever route it meets."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.uploads.tus import TUS_VERSION

OVERRIDES = ("HEAD", "PATCH", "DELETE")
"""Methods that a client behind a narrow proxy may send as POST."""


class TusProtocol:
    """Name the protocol's version in every answer under ``/uploads``, errors too, and honour X-HTTP-Method-Override."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not f"{scope['path']}/".startswith("/uploads/"):
            await self._app(scope, receive, send)
            return

        async def send_with_version(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Tus-Resumable"] = TUS_VERSION
            await send(message)

        override = Headers(scope=scope).get("x-http-method-override", "").upper()
        if scope["method"] == "POST" and override in OVERRIDES:
            scope = {**scope, "method": override}
        await self._app(scope, receive, send_with_version)
