"""``python -m captioner``: run the service."""

import uvicorn

from captioner.settings import CaptionerSettings
from framesense.http.connections import timed_protocol
from framesense.logs import configure_logging
from framesense.serving.threads import share_cores


def main() -> None:
    settings = CaptionerSettings()
    configure_logging(settings.log_level, settings.log_format)
    share_cores(settings.model_threads)
    # Only now: torch reads the environment once.
    from transformers.utils.logging import disable_progress_bar

    from captioner.app import create_app

    disable_progress_bar()  # type: ignore[no-untyped-call]  # the log is no terminal
    uvicorn.run(
        create_app(settings),
        host=settings.captioner_host,
        port=settings.captioner_port,
        http=timed_protocol(settings.header_timeout, settings.max_header_bytes),
        log_config=None,
        access_log=settings.log_level == "DEBUG",
        timeout_graceful_shutdown=30,
    )


if __name__ == "__main__":
    main()
