"""Which group (a hotel, a room, a class) each photo of a zip belongs to: its sub-folder, or what a groups.csv says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NoReturn

from framesense.http.problems import ProblemError
from framesense.media.archives import PhotoArchive
from framesense.media.names import clean_name
from worker.photo_sets.table_reading import TableRows, read_tables

GROUPS_FILE = "groups.csv"
KEY_COLUMNS = frozenset(
    {"photo", "photo_id", "file", "file_name", "filename", "path", "image", "image_id", "image_name", "image_file"}
)
"""Headers of a column that names the photos, in lower case, ``_`` for blanks."""


@dataclass(frozen=True)
class Grouping:
    source: str
    """Where the groups come from, in words."""
    by_path: Mapping[PurePosixPath, str]
    warnings: list[str] = field(default_factory=list)

    def of(self, path: str) -> str | None:
        return self.by_path.get(PurePosixPath(path))


def read_grouping(archive: PhotoArchive, column: str | None) -> Grouping | None:
    """Return the groups of an archive's photos, or None where there is no groups.csv and there are no two folders.

    ``column``: of groups.csv; None takes the only one that does not name the photos.

    Raises ProblemError 422 for a groups.csv that cannot be used or understood in one way only, or a column where there
    is none.
    """
    table = next((path for path in archive.others if path.name.lower() == GROUPS_FILE), None)
    if table is not None:
        return _by_table(archive.read_other(table), _Photos(archive.paths, table.parent), column)
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


class _Photos:
    """The photos of a zip by what a table may call them. Case, backslashes and ``./`` make no difference.

    Args:
        paths: of the photos inside the zip.
        folder: of the table, where its paths may begin.
    """

    def __init__(self, paths: Sequence[PurePosixPath], folder: PurePosixPath) -> None:
        self.count = len(set(paths))
        self._by_file: dict[str, set[PurePosixPath]] = {}
        self._by_stem: dict[str, set[PurePosixPath]] = {}
        for path in paths:
            whole = [path, path.relative_to(folder)] if path.is_relative_to(folder) else [path]
            for name in (*whole, PurePosixPath(path.name)):
                self._by_file.setdefault(_key(str(name)), set()).add(path)
                self._by_stem.setdefault(_key(str(name.with_suffix(""))), set()).add(path)

    def named(self, name: str, *, whole: bool = False) -> set[PurePosixPath]:
        """Return the photos of a name. ``whole``: with the ending, else the ending may be left out."""
        key = _key(name)
        return self._by_file.get(key) or (set() if whole else self._by_stem.get(key, set()))


def _key(name: str) -> str:
    return str(PurePosixPath(clean_name(name).strip().replace("\\", "/"))).casefold()


def _by_table(content: bytes, photos: _Photos, column: str | None) -> Grouping:
    """Group photos by a table, whose rows name them by path, file name, or either without its ending."""
    table = _readable(content, photos)
    if column is not None and column not in table.columns:
        _refuse(f"it has no column {column!r}; it has {_listed(table.columns)}")
    key = _key_column(table, photos, column)
    others = [name for name in table.columns if name != key]
    if column is None and len(others) > 1:
        _refuse(f"it has several columns: name one as group_column, of {_listed(others)}")
    chosen = others[0] if column is None else column
    by_path: dict[PurePosixPath, str] = {}
    unknown = []
    for row in table.rows:
        name, group = row[key], clean_name(row[chosen]).strip()
        named = photos.named(name)
        if len(named) > 1:
            _refuse(f"{name!r} is the name of {_listed(sorted(map(str, named)))}: name each by its whole path")
        if not named and name:
            unknown.append(name)
        for path in named if group else ():
            if by_path.setdefault(path, group) != group:
                _refuse(f"{name!r} is said to be in {by_path[path]!r} and in {group!r}: leave one of the two rows out")
    return Grouping(f"column {chosen!r} of {GROUPS_FILE}", by_path, _warnings(unknown, photos.count - len(by_path)))


def _readable(content: bytes, photos: _Photos) -> TableRows:
    """Read the table by the separator with which most of it names photos. Raises a 422 problem where there is none."""
    try:
        tables = read_tables(content)
    except ValueError as error:
        _refuse(f"it is not a CSV file ({error})")
    tables = [table for table in tables if len(table.columns) > 1]
    if not tables:
        _refuse(
            "it needs a header and two columns at least, with a comma, a semicolon or a tab between: one that names "
            "the photos and one for their groups"
        )
    return max(tables, key=lambda table: max(_count(table, name, photos, whole=False) for name in table.columns))


def _key_column(table: TableRows, photos: _Photos, chosen: str | None) -> str:
    """Return the column that names the photos: by its header, else by names with their ending, else by any name.

    Raises a 422 problem where no column does, or several do.
    """
    columns = [name for name in table.columns if name != chosen]
    matching = [name for name in columns if _count(table, name, photos, whole=False)]
    if not matching:
        _refuse("none of its columns names the photos of the zip, by path, file name or file name without ending")
    by_header = [name for name in matching if _is_key_header(name)]
    for whole in (True, False):
        found = [name for name in by_header or matching if _count(table, name, photos, whole=whole)]
        if len(found) == 1:
            return found[0]
        if found:
            wanted = "leave the other out" if by_header else "call it 'photo'"
            _refuse(f"its columns {_listed(found)} could both name the photos. Which one does? {wanted.capitalize()}")
    raise AssertionError("a column that names photos names them with or without their ending")


def _is_key_header(name: str) -> bool:
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split()) in KEY_COLUMNS


def _count(table: TableRows, column: str, photos: _Photos, *, whole: bool) -> int:
    """Count the rows that name photos in a column."""
    return sum(bool(photos.named(row[column], whole=whole)) for row in table.rows)


def _warnings(unknown: Sequence[str], ungrouped: int) -> list[str]:
    found = []
    if unknown:
        more = f" and {len(unknown) - 3:,} more" if len(unknown) > 3 else ""
        found.append(f"{GROUPS_FILE} names what is no photo of the zip: {_listed(unknown[:3])}{more}.")
    if ungrouped:
        found.append(f"{GROUPS_FILE} gives {ungrouped:,} of the photos no group.")
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _refuse(why: str) -> NoReturn:
    raise ProblemError(422, "invalid-groups", "Invalid groups", f"{GROUPS_FILE} cannot be used: {why}.")
