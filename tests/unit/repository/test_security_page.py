"""docs/security.md names tests; they are there."""

import re

from tools.settings import ROOT


def test_every_test_that_it_names_is_there() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", (ROOT / "docs" / "security.md").read_text("utf-8")))
    assert len(named) > 10
    assert not [name for name in named if not (ROOT / name).is_file()]
