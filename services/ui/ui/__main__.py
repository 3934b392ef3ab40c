"""``python -m ui`` serves the pages at UI_HOST:UI_PORT."""

from ui.app import create_app, streamlit_options
from ui.settings import UiSettings


def main() -> None:
    create_app().run(config=streamlit_options(UiSettings()))


if __name__ == "__main__":
    main()
