"""Series: one photo under a grid of settings, or many photos under the same ones."""

from enum import StrEnum
from typing import Any

import streamlit as st

from framesense.schemas.edits import EditorCapabilities, Preserve, SeriesParameters, SheetOrder, Task
from framesense.schemas.jobs import Job
from framesense.wording import counted
from ui.api import GatewayApi, Photo
from ui.edit.axes import Varied, axis, read_values, varied_parameters
from ui.edit.form import PRESERVE_NAMES, ask_preserve, ask_settings, ask_words, chosen_preserve, settings
from ui.edit.photo_input import ask_editable, require, require_mask, require_photo
from ui.photos import ask_photos
from ui.widget_state import restore_value
from ui.wording import plain

NOTHING = "nothing"
WAY = "edit-series-way"
GRID, MANY = "One photo, many settings", "Many photos, one change"
VALUES_HELP = "Commas between. Each value gives a row or a column of pictures."


class Side(StrEnum):
    ROWS = "rows"
    COLUMNS = "columns"


DEFAULTS = {Side.ROWS: "strength", Side.COLUMNS: "guidance_scale"}


def ask_series(api: GatewayApi, capabilities: EditorCapabilities) -> Job | None:
    """Return the job that was started, if one was. Raises GatewayError and ValueError."""
    restore_value(WAY, GRID)
    way = st.segmented_control("Series", [GRID, MANY], key=WAY, required=True)
    return _ask_many(api, capabilities) if way == MANY else _ask_grid(api, capabilities)


def _ask_grid(api: GatewayApi, capabilities: EditorCapabilities) -> Job | None:
    offered = varied_parameters(capabilities, PRESERVE_NAMES)
    chosen = {side: restore_value(_key(side), DEFAULTS[side]) for side in Side}
    left, right = st.columns([1, 1], gap="large")
    with left:
        shown = ask_editable(capabilities)
    with right:
        if "prompt" not in chosen.values():
            ask_words()
        axes = {side: _ask_axis(side, offered) for side in Side}
        if "preserve" not in chosen.values():
            ask_preserve(capabilities)
        ask_settings(capabilities, without=[name for name in chosen.values() if name != NOTHING], several=False)
        count = _count(axes, offered)
        best_first = st.toggle("Best first on the contact sheet", key="edit-series-sort")
        with st.container(horizontal=True, vertical_alignment="center"):
            pressed = st.button("Start the series", type="primary", icon=":material/grid_on:")
            st.caption(count)
    if not pressed:
        return None
    photo = require_photo(shown)
    values = {side: _axis_values(name, text, offered) for side, (name, text) in axes.items()}
    if axes[Side.ROWS][0] == axes[Side.COLUMNS][0] != NOTHING:
        raise ValueError("Rows and columns vary the same. Choose two different things.")
    rows, columns = (axis(None if axes[side][0] == NOTHING else axes[side][0], values[side]) for side in Side)
    require(rows or columns, "Choose what the rows or the columns vary.")
    varied_words = [values[side] for side in Side if axes[side][0] == "prompt"]
    base = settings(Task.EDIT, masked=True, prompt=varied_words[0][0] if varied_words and varied_words[0] else None)
    masked = chosen_preserve() is Preserve.MASK or any(Preserve.MASK in each for each in values.values())
    mask = require_mask(shown) if shown and masked else None
    base, order = base.model_copy(update={"images": 1}), SheetOrder.AGREEMENT if best_first else SheetOrder.GRID
    parameters = SeriesParameters(base=base, rows=rows, columns=columns, sort=order)
    return api.edit_series([photo], parameters, mask)


def _ask_axis(side: Side, offered: dict[str, Varied]) -> tuple[str, Any]:
    """Return the parameter's name, and its values: as text, or as chosen."""
    with st.container(horizontal=True, vertical_alignment="top"):
        name = st.selectbox(
            side.capitalize(),
            [*offered, NOTHING],
            format_func=lambda name: offered[name].name if name in offered else NOTHING.capitalize(),
            key=_key(side),
            width=170,
        )
        if name == NOTHING:
            return name, []
        varied, key = offered[name], f"edit-series-{side}-{name}"
        label = f"Values of the {side}"
        if varied.choices is not None:
            titles = varied.choices
            restore_value(key, list(titles))
            return name, st.multiselect(label, list(titles), format_func=titles.__getitem__, key=key, width="stretch")
        restore_value(key, varied.values)
        ask = st.text_area if name == "prompt" else st.text_input
        return name, ask(label, key=key, help="One a line." if name == "prompt" else VALUES_HELP)


def _axis_values(name: str, given: Any, offered: dict[str, Varied]) -> list[Any]:
    return read_values(name, offered[name], given) if isinstance(given, str) else list(given)


def _count(axes: dict[Side, tuple[str, Any]], offered: dict[str, Varied]) -> str:
    """Say how many pictures there would be, or what is wrong with the values as they are written."""
    count = 1
    for name, given in axes.values():
        try:
            count *= len(_axis_values(name, given, offered)) if name != NOTHING else 1
        except ValueError as error:
            return plain(str(error))
    return counted(count, "picture")


def _ask_many(api: GatewayApi, capabilities: EditorCapabilities) -> Job | None:
    left, right = st.columns([1, 1], gap="large")
    with left:
        photos: list[Photo] = ask_photos("Photos", key="edit-series-photos")
        st.caption(
            f"{counted(len(photos), 'photo')}, each with the same seed and settings." if photos else "Choose several."
        )
    with right:
        ask_words()
        ask_settings(capabilities, several=False)
        pressed = st.button("Start the series", type="primary", icon=":material/grid_on:")
    if not pressed:
        return None
    require(photos, "Choose the photos first.")
    base = settings(Task.EDIT, masked=False).model_copy(update={"images": 1})
    return api.edit_series(photos, SeriesParameters(base=base), None)


def _key(side: Side) -> str:
    return f"edit-series-{side}"
