"""Plan the pictures of a series of edits: a grid over two parameters, or one change over many photos.

Everything that the axes do not name is the same for all pictures, the seed among it: what differs between two
neighbours then comes of the one parameter that differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from framesense.http.problems import ProblemError
from framesense.schemas.edits import Axis, EditParameters, Preserve, SchedulerName, SeriesParameters


@dataclass(frozen=True)
class Cell:
    """One picture of a series: which photo (its index), with what parameters, and where it stands in the sheet."""

    photo: int
    parameters: EditParameters
    row: str | None
    column: str | None


@dataclass(frozen=True)
class SeriesPlan:
    """The pictures of a series, row by row, and the labels of rows and columns; ``None`` stands for an only one."""

    cells: list[Cell]
    rows: list[str | None]
    columns: list[str | None]


def plan_series(series: SeriesParameters, photos: Sequence[str]) -> SeriesPlan:
    """Return the pictures of a series, row by row.

    ``photos``: their names; none where pictures are made from words alone.

    Raises ProblemError 422 for axes that do not go together and for the first value that a parameter cannot take.
    """
    _refuse_unclear(series, photos)
    if len(photos) > 1:
        rows: list[tuple[str | None, int, dict[str, Any]]] = [
            (label, photo, {}) for photo, label in enumerate(_distinct(photos))
        ]
    else:
        rows = [(label, 0, change) for label, change in _steps(series.rows)]
    columns = _steps(series.columns)
    cells = [
        Cell(photo, _changed(series.base, {**down, **across}), row, column)
        for row, photo, down in rows
        for column, across in columns
    ]
    return SeriesPlan(cells, [row for row, _, _ in rows], [column for column, _ in columns])


def _refuse_unclear(series: SeriesParameters, photos: Sequence[str]) -> None:
    rows, columns = series.rows, series.columns
    if rows and columns and rows.parameter == columns.parameter:
        raise _unclear(f"Rows and columns both change {rows.parameter}. Choose another parameter for one of them.")
    if len(photos) > 1 and rows:
        raise _unclear("With several photos each has a row of its own: give the parameter as 'columns'.")
    if len(photos) <= 1 and not (rows or columns):
        raise _unclear("Say what differs between the pictures: 'rows', 'columns', or several photos.")
    if series.base.images != 1:
        raise _unclear("A series makes one picture of each kind. For several, let 'seed' be an axis.")


def _steps(axis: Axis | None) -> list[tuple[str | None, dict[str, Any]]]:
    """Return each value's label and the change it makes; without an axis, one that changes nothing."""
    if axis is None:
        return [(None, {})]
    labels = [_label(axis.parameter, value) for value in axis.values]
    for index, label in enumerate(labels):
        if label in labels[:index]:
            raise _unclear(f"The axis of {axis.parameter} has {label!r} twice.")
    return [(label, {axis.parameter: value}) for label, value in zip(labels, axis.values, strict=True)]


def _changed(base: EditParameters, changes: dict[str, Any]) -> EditParameters:
    try:
        return EditParameters.model_validate({**base.model_dump(exclude_unset=True), **changes})
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0]) if fault["loc"] else ""
        if name in changes:
            raise _unclear(f"{name} cannot be {changes[name]!r}: {fault['msg']}.") from error
        said = ", ".join(f"{name} {value!r}" for name, value in changes.items())
        raise _unclear(f"The picture with {said}: {fault['msg']}.") from error


def _label(parameter: str, value: object) -> str:
    """Write a value as a person would: "strength 0.4", "Euler a", the prompt itself."""
    if parameter == "prompt":
        return " ".join(str(value).split())
    if parameter == "scheduler" and value in set(SchedulerName):
        return SchedulerName(str(value)).label
    if parameter == "preserve" and value in set(Preserve):
        return f"preserve {value}"
    if value is None:
        return f"{parameter} as the model has it"
    name = "guidance" if parameter == "guidance_scale" else parameter
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _distinct(names: Sequence[str]) -> list[str]:
    """Tell photos of the same name apart by numbers."""
    return [
        name if names.count(name) == 1 else f"{name} ({names[: index + 1].count(name)})"
        for index, name in enumerate(names)
    ]


def _unclear(detail: str) -> ProblemError:
    return ProblemError(422, "unclear-series", "Unclear series", detail)
