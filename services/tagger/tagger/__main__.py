"""``python -m tagger``: run the service."""

import logging

import uvicorn

from framesense.http.connections import timed_protocol
from tagger.app import create_app
from tagger.settings import TaggerSettings


def main() -> None:
    settings = TaggerSettings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
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
