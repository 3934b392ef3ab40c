"""Read tables as spreadsheets save them: commas, semicolons or tabs, any code page, perhaps a byte order mark."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from framesense.media.encodings import ANSI_PAGES, decode_text

SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True)
class TableRows:
    columns: Sequence[str]
    rows: Sequence[dict[str, str]]
    """Of every row, a value a column, without blanks around it; empty where the row is too short."""


def read_tables(content: bytes) -> list[TableRows]:
    """Return the table that each separator makes of a file; which one is right, its reader knows.

    Excel's first line ``sep=;`` is passed over, and decides. Raises ValueError where no separator makes a table of it.
    """
    text = decode_text(content, ANSI_PAGES)[0].lstrip("\ufeff")
    first, _, rest = text.partition("\n")
    separators: Sequence[str] = SEPARATORS
    if (announced := first.strip("\r")).lower().startswith("sep=") and len(announced) == 5:
        text, separators = rest, (announced[4],)
    tables, errors = [], []
    for separator in separators:
        try:
            tables.append(_read(text, separator))
        except csv.Error as error:
            errors.append(str(error))
    if not tables:
        raise ValueError(errors[0])
    return tables


def _read(text: str, separator: str) -> TableRows:
    lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if any(line)]
    header = [name.strip() for name in lines[0]] if lines else []
    columns = [name for name in dict.fromkeys(header) if name]
    places = [header.index(name) for name in columns]
    return TableRows(
        columns,
        [
            {
                name: line[place].strip() if place < len(line) else ""
                for name, place in zip(columns, places, strict=True)
            }
            for line in lines[1:]
        ],
    )
