"""The drawing in docs/contributing.md is of the imports that there are."""

import ast
import re

from tools.settings import ROOT

SERVICES = ("captioner", "editor", "gateway", "tagger", "ui", "worker")
SOURCES = {"framesense": ROOT / "libs" / "framesense"} | {name: ROOT / "services" / name / name for name in SERVICES}
Edge = tuple[str, str]


def part(module: str) -> str:
    """What the drawing has for a module: a service, or a folder of framesense."""
    package, *rest = module.split(".")
    return rest[0] if package == "framesense" and rest else package


def imports() -> set[Edge]:
    found = set()
    for package, folder in SOURCES.items():
        for path in folder.rglob("*.py"):
            importer = part(".".join([package, *path.relative_to(folder).with_suffix("").parts]))
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                found |= {(importer, part(name)) for name in names if name.split(".")[0] in SOURCES}
    return {(importer, imported) for importer, imported in found if importer != imported}


def arrows() -> set[Edge]:
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs" / "contributing.md").read_text(), re.DOTALL)
    return set(re.findall(r"^ *(\w+) --> (\w+)$", drawing, re.MULTILINE))


def below(start: str, edges: set[Edge]) -> set[str]:
    """All that arrows lead to from a part, however many."""
    reached, todo = set[str](), [start]
    while todo:
        here = todo.pop()
        new = {end for begin, end in edges if begin == here} - reached
        reached |= new
        todo += new
    return reached


def test_every_arrow_is_an_import() -> None:
    assert arrows() - imports() == set()


def test_every_import_has_its_arrows() -> None:
    drawn = arrows()
    assert {edge for edge in imports() if edge[1] not in below(edge[0], drawn)} == set()


def test_nothing_goes_in_circles() -> None:
    drawn = arrows()
    assert [start for start, _ in drawn if start in below(start, drawn)] == []
