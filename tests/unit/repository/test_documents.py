"""The documents say what is so: settings, files and pages that they name exist."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from tools.settings import ROOT
from tools.settings_page import READERS, render

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "models").glob("*/*.md"))]


def test_the_settings_page_is_current() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == render(), "python -m tools.settings_page > docs/settings.md"


@pytest.mark.parametrize("settings", READERS.values(), ids=READERS)
def test_every_setting_is_described(settings: type[BaseSettings]) -> None:
    assert [name for name, field in settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    missing = [t for t in targets if not t.startswith("http") and not (document.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_that_are_named_are_there(document: Path) -> None:
    """Whatever is set in `code` and begins with a folder of this repository; `*`, `<…>` and `{…}` are any name."""
    folders = "|".join(sorted(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")))
    named = re.findall(rf"`((?:{folders})/[^`\s]*)`", document.read_text())
    patterns = [re.sub(r"<[^>]*>|\{[^}]*\}", "*", path.split("#")[0].split("::")[0]).rstrip("/") for path in named]
    made = ("data/", "out/")  # at run time
    missing = [p for p in patterns if not p.startswith(made) and not any(ROOT.glob(p))]
    assert not missing
