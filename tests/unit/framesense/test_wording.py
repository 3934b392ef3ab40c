"""Numbers of things in words."""

import ast
from pathlib import Path

import pytest

from framesense.wording import counted

SERVICES = Path(__file__).parents[3] / "services"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 frames"), (1, "1 frame"), (1.0, "1 frame"), (2, "2 frames"), (2.5, "2.5 frames")],
)
def test_counted(count: float, text: str) -> None:
    assert counted(count, "frame") == text


def test_counted_with_a_plural_of_its_own() -> None:
    assert [counted(count, "is a guess", "are guesses") for count in (1, 2)] == ["1 is a guess", "2 are guesses"]


@pytest.mark.parametrize("page", sorted((SERVICES / "ui").rglob("*.py")), ids=lambda page: page.stem)
def test_pages_count_by_the_rule(page: Path) -> None:
    """No page puts a computed number before a plural, which is wrong for one: ``counted`` does it."""
    assert not list(_bare_plurals(ast.parse(page.read_text())))


def test_bare_plurals_are_seen() -> None:
    assert list(_bare_plurals(ast.parse('f"{len(frames)} frames looked at"'))) == ["len(frames)"]
    assert not list(_bare_plurals(ast.parse('f"{MOST} labels, {width} × {height} pixels, {pace_text(pace)} needs"')))


def _bare_plurals(tree: ast.AST) -> list[str]:
    """Return the expressions of f-strings that stand right before a word in -s.

    Sizes and constants are above one; what a function writes as text is no bare number.
    """
    found = []
    for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
        before = ""
        for part, following in zip(text.values, [*text.values[1:], None], strict=True):
            if isinstance(part, ast.FormattedValue) and isinstance(following, ast.Constant):
                word = str(following.value).split(" ")[1:2] if str(following.value).startswith(" ") else []
                noun = word[0].rstrip(".,:;)*") if word else ""
                constant = isinstance(part.value, ast.Name) and part.value.id.isupper()
                written = ast.unparse(part.value).partition("(")[0].endswith("_text")
                plural = noun.isalpha() and noun.endswith("s") and len(noun) > 3
                if plural and not constant and not written and not before.endswith("× "):
                    found.append(ast.unparse(part.value))
            before = str(part.value) if isinstance(part, ast.Constant) else ""
    return found
