"""``python -m editor``: run the service."""

import contextlib
import socket
import sys
from collections.abc import Callable

import uvicorn

from editor.settings import EditorSettings
from framesense.http.connections import timed_protocol
from framesense.logs import configure_logging
from framesense.serving.threads import share_cores

STARTUP_FAILURE = 3
"""The exit status that uvicorn's own command has."""


class Server(uvicorn.Server):
    """Breaks edits off when it is told to stop, rather than wait for minutes of work.

    Whoever asked for them asks again once it is back.
    """

    def __init__(self, config: uvicorn.Config, abort: Callable[[], None]) -> None:
        super().__init__(config)
        self._abort = abort

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._abort()
        await super().shutdown(sockets)


def main() -> None:
    settings = EditorSettings()
    configure_logging(settings.log_level, settings.log_format)
    share_cores(settings.model_threads)
    # Only now: torch reads the environment once.
    from diffusers.utils.logging import disable_progress_bar as disable_diffusers_bar
    from transformers.utils.logging import disable_progress_bar as disable_transformers_bar

    from editor.app import create_app

    disable_diffusers_bar()  # the log is no terminal
    disable_transformers_bar()  # type: ignore[no-untyped-call]
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.editor_host,
        port=settings.editor_port,
        http=timed_protocol(settings.header_timeout, settings.max_header_bytes),
        log_config=None,
        access_log=settings.log_level == "DEBUG",
        timeout_graceful_shutdown=30,
    )
    server = Server(config, app.state.abort)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


if __name__ == "__main__":
    main()
