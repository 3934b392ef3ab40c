"""``python -m tagger``: run the service."""

import uvicorn

from framesense.http.connections import timed_protocol
from framesense.logs import configure_logging
from framesense.serving.threads import share_cores
from tagger.settings import TaggerSettings


def main() -> None:
    settings = TaggerSettings()
    configure_logging(settings.log_level, settings.log_format)
    share_cores(settings.model_threads)
    from tagger.app import create_app  # only now: torch reads the environment once

    uvicorn.run(
        create_app(settings),
        host=settings.tagger_host,
        port=settings.tagger_port,
        http=timed_protocol(settings.header_timeout, settings.max_header_bytes),
        log_config=None,
        access_log=settings.log_level == "DEBUG",
        timeout_graceful_shutdown=30,
    )


if __name__ == "__main__":
    main()
