"""``python -m ui`` serves the pages at UI_HOST:UI_PORT."""

from ui.app import create_app, streamlit_options
from ui.settings import UiSettings


def main() -> None:
    settings = UiSettings()
    create_app(settings).run(config=streamlit_options(settings))


if __name__ == "__main__":
    main()
