"""docs/settings.md, written from the settings themselves: ``python -m tools.settings_page > docs/settings.md``."""

import sys

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from captioner.settings import CaptionerSettings
from editor.settings import EditorSettings
from gateway.settings import GatewaySettings
from tagger.settings import TaggerSettings
from tools.settings import StackSettings
from ui.settings import UiSettings
from worker.settings import WorkerSettings

READERS: dict[str, type[BaseSettings]] = {
    "`make`": StackSettings,
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "captioner": CaptionerSettings,
    "tagger": TaggerSettings,
    "editor": EditorSettings,
    "ui": UiSettings,
}
HEAD = """\
# Settings

Environment variables, or a file `.env` beside the Makefile (see [.env.example](../.env.example)); `make` and
`docker compose` both read it. In containers, addresses and folders are set by docker-compose.yml. A value that does not
fit is refused at start, with its name. Written by `python -m tools.settings_page` from the settings' own definitions.

| setting | default | what it is | read by |
| --- | --- | --- | --- |
"""


def default_text(field: FieldInfo) -> str:
    """Write a default as it would stand in the environment; nothing for an empty one."""
    if field.default_factory:
        return "found at start"
    value = field.default
    text = ",".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return f"`{text.lower() if isinstance(value, bool) else text}`" if text else ""


def render() -> str:
    """Return the page as Markdown."""
    readers: dict[str, list[str]] = {}
    rows: dict[str, tuple[str, str]] = {}
    for reader, settings in READERS.items():
        for name, field in settings.model_fields.items():
            readers.setdefault(name, []).append(reader)
            rows.setdefault(name, (default_text(field), field.description or ""))
    lines = [
        f"| `{name.upper()}` | {default} | {description} | {', '.join(readers[name])} |"
        for name, (default, description) in rows.items()
    ]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
