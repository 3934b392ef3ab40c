"""Make tables that a spreadsheet opens right, and text that is safe in its cells."""

import csv
import io
import re
from enum import StrEnum

BYTE_ORDER_MARK = "\ufeff"
"""Begins every CSV that people download: without it Excel reads UTF-8 as the system's code page."""

_DECIMAL = re.compile(r"(-?\d+)\.(\d+(?:e[+-]?\d+)?)", re.ASCII)


class Separator(StrEnum):
    """What stands between the cells of a CSV."""

    COMMA = ","
    SEMICOLON = ";"
    """With decimal commas, as spreadsheets expect where numbers have them, and R's ``write.csv2`` writes."""
    TAB = "tab"


_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(text: str) -> str:
    """Return the text with an apostrophe before it where a spreadsheet would run it as a formula.

    See https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def with_separator(table: str, separator: Separator) -> str:
    """Return a CSV that has commas with another separator between its cells."""
    if separator is Separator.COMMA:
        return table
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text, delimiter="\t" if separator is Separator.TAB else separator)
    for row in csv.reader(io.StringIO(table.removeprefix(BYTE_ORDER_MARK), newline="")):
        writer.writerow(map(_decimal_comma, row) if separator is Separator.SEMICOLON else row)
    return text.getvalue()


def _decimal_comma(cell: str) -> str:
    number = _DECIMAL.fullmatch(cell)
    return f"{number[1]},{number[2]}" if number else cell
