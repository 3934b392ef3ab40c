"""Which group (a hotel, a room, a class) each photo of a zip belongs to: its sub-folder, or what a groups.csv says."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NoReturn

from framesense.http.problems import ProblemError
from framesense.media.archives import PhotoArchive

GROUPS_FILE = "groups.csv"


@dataclass(frozen=True)
class Grouping:
    source: str
    """Where the groups come from, in words."""
    by_path: Mapping[PurePosixPath, str]

    def of(self, path: str) -> str | None:
        return self.by_path.get(PurePosixPath(path))


def read_grouping(archive: PhotoArchive, column: str | None) -> Grouping | None:
    """Return the groups of an archive's photos, or None where there is no groups.csv and there are no two folders.

    ``column``: of groups.csv; None takes the only one that does not name the photos.

    Raises ProblemError 422 for a groups.csv that cannot be used, or a column where there is none.
    """
    table = next((path for path in archive.others if path.name.lower() == GROUPS_FILE), None)
    if table is not None:
        return _by_table(archive.read_other(table), archive.paths, column)
    if column is not None:
        detail = f"group_column is {column!r}, but the zip holds no {GROUPS_FILE}. Add it, or leave the column out."
        raise ProblemError(422, "no-groups-file", "No groups file", detail)
    return _by_folder(archive.paths)


def _by_folder(paths: Sequence[PurePosixPath]) -> Grouping | None:
    """Group photos by folder, named from where the folders begin to differ: ``photos/hotel 1/…`` is ``hotel 1``."""
    folders = {path.parent for path in paths}
    if len(folders) < 2:
        return None
    shared = _shared(sorted(folders))
    names = {path: str(PurePosixPath(*path.parent.parts[shared:])) for path in paths}
    return Grouping("sub-folders", {path: name for path, name in names.items() if name != "."})


def _shared(folders: Sequence[PurePosixPath]) -> int:
    """Count the leading parts that all folders share."""
    count = 0
    for parts in zip(*(folder.parts for folder in folders), strict=False):
        if len(set(parts)) > 1:
            break
        count += 1
    return count


def _by_table(content: bytes, paths: Sequence[PurePosixPath], column: str | None) -> Grouping:
    """Group photos by a table, whose rows name them by path, file name, or file name without suffix."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        _refuse(f"it is not a CSV file in UTF-8 ({error})")
    columns = [name for name in (rows[0] if rows else {}) if name]
    if len(columns) < 2:
        _refuse("it needs a header and two columns at least, one that names the photos and one for their groups")
    known = {key: path for path in paths for key in (path.stem, path.name, str(path))}

    def photos_named(name: str) -> int:
        return sum((row[name] or "").strip() in known for row in rows)

    key_column = max(columns, key=photos_named)
    if not photos_named(key_column):
        _refuse("none of its columns names the photos of the zip, by path, file name or file name without suffix")
    others = [name for name in columns if name != key_column]
    if column is None and len(others) > 1:
        _refuse(f"it has several columns: name one as group_column, of {', '.join(map(repr, others))}")
    chosen = others[0] if column is None else column
    if chosen not in columns:
        _refuse(f"it has no column {chosen!r}; it has {', '.join(map(repr, columns))}")
    pairs = (((row[key_column] or "").strip(), (row[chosen] or "").strip()) for row in rows)
    by_path = {known[key]: group for key, group in pairs if key in known and group}
    return Grouping(f"column {chosen!r} of {GROUPS_FILE}", by_path)


def _refuse(why: str) -> NoReturn:
    raise ProblemError(422, "invalid-groups", "Invalid groups", f"{GROUPS_FILE} cannot be used: {why}.")
