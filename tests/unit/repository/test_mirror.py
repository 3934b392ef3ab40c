"""The unit tests mirror the sources: whoever looks for the tests of a module finds them by its name."""

from pathlib import Path

import pytest

from tools.settings import ROOT

UNIT = ROOT / "tests" / "unit"
TESTS = [path.relative_to(UNIT) for path in sorted(UNIT.rglob("test_*.py")) if "repository" not in path.parts]


def _package(name: str) -> Path:
    """The folder of a package's sources."""
    places = (ROOT / "libs" / name, ROOT / "services" / name / name, ROOT / name)
    return next(place for place in places if (place / "__init__.py").is_file())


@pytest.mark.parametrize("test", TESTS, ids=str)
def test_a_unit_test_has_the_name_of_its_module_or_package(test: Path) -> None:
    """A name may go on with an aspect: ``test_images_refused.py`` is of ``images.py``."""
    package, *folders = test.parent.parts
    folder = _package(package).joinpath(*folders)
    words = test.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    assert any((folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file() for name in names), folder
