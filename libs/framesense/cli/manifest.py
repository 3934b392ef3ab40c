"""A CSV that says what became of each file."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NAME = "manifest.csv"
_PART = f".part-{NAME}"


@dataclass(frozen=True)
class Outcome:
    """How many files were made, were there before, and failed."""

    made: int
    before: int
    failed: int
    manifest: Path


def write_manifest(folder: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> Path:
    """Write the rows as they come, so that a run that is broken off leaves those it finished."""
    path, part = folder / NAME, folder / _PART
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            file.flush()
    part.replace(path)
    return path


def read_manifest(folder: Path, key: str) -> dict[str, dict[str, str]]:
    """Read the rows of the last run, whole or broken off, by one of their columns; empty where there was none."""
    found: dict[str, dict[str, str]] = {}
    for name in (NAME, _PART):
        with suppress(FileNotFoundError), (folder / name).open(newline="", encoding="utf-8") as file:
            found |= {row[key]: row for row in csv.DictReader(file) if row.get(key)}
    return found


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
