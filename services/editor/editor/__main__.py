"""``python -m editor``"""

import logging

import uvicorn

from editor.app import create_app
from editor.settings import EditorSettings


def main() -> None:
    settings = EditorSettings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    uvicorn.run(
        create_app(settings),
        host=settings.editor_host,
        port=settings.editor_port,
        log_config=None,
        access_log=settings.log_level == "DEBUG",
        timeout_graceful_shutdown=30,
    )


if __name__ == "__main__":
    main()
