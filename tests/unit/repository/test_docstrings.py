"""Docstrings of functions open with a verb: ruff's D401 knows the mood of verbs, but not that other words are none."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.settings import ROOT

SOURCES = ("libs", "services", "tools", "training", "benchmarks")
NO_VERB = re.compile(
    r"""
    a|an|the|this|that|these|those|its|their|one|two|each|every|all|both|none|some|any|another|other|several
    |what|which|whether|how|when|where|who|whose|why
    |about|after|also|among|around|as|at|before|by|for|from|in|into|of|on|over|per|than|then|there|through|to|under
    |until|up|upon|with|within|without
    |args|bytes|everything|indices|newest|nothing|only|seconds
    """,
    re.IGNORECASE | re.VERBOSE,
)


def functions(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each function's name and docstring; properties are nouns, as attributes are."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node)
        if text and not any("property" in ast.unparse(decorator) for decorator in node.decorator_list):
            yield node.name, text


def opens_with_verb(docstring: str) -> bool:
    word = docstring.split(maxsplit=1)[0].rstrip(".,:;")
    return word.isalpha() and word.istitle() and not NO_VERB.fullmatch(word)


@pytest.mark.parametrize("folder", SOURCES)
def test_docstrings_open_with_a_verb(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts]
    found = {f"{path.relative_to(ROOT)}: {name}": text for path in files for name, text in functions(path)}
    assert len(found) > 20
    assert [f"{name}: {text[:60]}" for name, text in found.items() if not opens_with_verb(text)] == []


@pytest.mark.parametrize(
    "text", ["Seconds between frames.", "n × d.", "Whether it is.", "``key``: a name.", "The sum."]
)
def test_other_words_are_found(text: str) -> None:
    assert not opens_with_verb(text)
