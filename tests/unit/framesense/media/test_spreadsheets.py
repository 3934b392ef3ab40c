"""Tables as spreadsheets open them, whatever they take for a separator."""

import csv
import io

import pytest

from framesense.media.spreadsheets import BYTE_ORDER_MARK, Separator, with_separator

ROWS = [["name", "cosine"], ['a; b, "c"\td\ne', "-0.25"], ["1.2.3", "3"], ["v1.5", "1.5e-05"]]


def table(rows: list[list[str]]) -> str:
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    csv.writer(text).writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize(("separator", "delimiter"), [(Separator.SEMICOLON, ";"), (Separator.TAB, "\t")])
def test_another_separator_has_the_same_cells(separator: Separator, delimiter: str) -> None:
    changed = with_separator(table(ROWS), separator)
    assert changed.count(BYTE_ORDER_MARK) == 1 and changed.startswith(BYTE_ORDER_MARK)
    found = list(csv.reader(io.StringIO(changed[1:], newline=""), delimiter=delimiter))
    numbers = ["cosine", "-0,25", "3", "1,5e-05"] if separator is Separator.SEMICOLON else [row[1] for row in ROWS]
    assert found == [[row[0], number] for row, number in zip(ROWS, numbers, strict=True)]


def test_commas_stay() -> None:
    assert with_separator(table(ROWS), Separator.COMMA) == table(ROWS)
