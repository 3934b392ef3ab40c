"""A new edit, series or restoration, and those of before."""

from collections.abc import Callable
from functools import partial

import streamlit as st
from pydantic import ValidationError

from framesense.schemas.edits import EditorCapabilities, Preserve, Task
from framesense.schemas.jobs import Job
from ui.api import GatewayApi, GatewayError
from ui.edit.form import ask_preserve, ask_settings, ask_words, chosen_preserve, keep_form, settings
from ui.edit.history import show_history
from ui.edit.photo_input import ask_editable, require_mask, require_photo
from ui.edit.restore import ask_restoration
from ui.edit.reuse import EDIT, TAB, show_reuse_error, try_example
from ui.edit.series import ask_series
from ui.jobs.navigation import open_job
from ui.shared import show_error, warn_of_missing, warn_unless_ready
from ui.widget_state import restore_value
from ui.wording import plain

SERIES, RESTORE, HISTORY = "Series", "Restore", "History"
FROM_WORDS = "edit-from-words"
TABS = [EDIT, SERIES, RESTORE, HISTORY]
Ask = Callable[[GatewayApi, EditorCapabilities], Job | None]


def show_start(api: GatewayApi, public: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Edit a photo", anchor=False)
        st.button("Try the example", icon=":material/lightbulb:", on_click=partial(try_example, api))
    st.markdown(
        "Say what the photo should show, and how far it may change for that. What you do not ask for is left alone, "
        "and you see how much of it changed all the same.",
        width=720,
    )
    warn_unless_ready(api)
    warn_of_missing(api, "editor", "queue edit")
    show_reuse_error()
    capabilities = edit_capabilities(_api=api)
    if capabilities.note:
        st.caption(plain(capabilities.note), width=720)
    keep_form(capabilities)
    restore_value(TAB, EDIT)
    tabs = dict(zip(TABS, st.tabs(TABS, key=TAB, on_change="rerun"), strict=True))
    asked: list[tuple[str, Ask]] = [(EDIT, _ask_edit), (SERIES, ask_series), (RESTORE, ask_restoration)]
    for name, ask in asked:
        if tabs[name].open:
            with tabs[name]:
                _start(ask, api, capabilities)
    if tabs[HISTORY].open:
        with tabs[HISTORY]:
            show_history(api)


@st.cache_data(show_spinner=False, ttl=20)
def edit_capabilities(*, _api: GatewayApi) -> EditorCapabilities:
    return _api.edit_capabilities()


def _start(ask: Ask, api: GatewayApi, capabilities: EditorCapabilities) -> None:
    try:
        job = ask(api, capabilities)
    except ValidationError as error:
        _say("; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors()))
    except ValueError as error:
        _say(str(error))
    except GatewayError as error:
        show_error(error)
    else:
        if job:
            open_job(job.id)
            st.rerun()


def _say(missing: str) -> None:
    st.warning(plain(missing[0].upper() + missing[1:]), icon=":material/info:")


def _ask_edit(api: GatewayApi, capabilities: EditorCapabilities) -> Job | None:
    left, right = st.columns([1, 1], gap="large")
    with left:
        from_words = Task.GENERATE in capabilities.tasks and st.toggle(
            "Without a photo, from the words alone", key=FROM_WORDS
        )
        shown = None if from_words else ask_editable(capabilities)
    with right:
        ask_words()
        if not from_words:
            ask_preserve(capabilities)
        ask_settings(capabilities, without=("strength",) if from_words else ())
        pressed = st.button("Edit", type="primary", icon=":material/brush:")
    if not pressed:
        return None
    if from_words:
        return api.edit(None, settings(Task.GENERATE, masked=False), None)
    photo = require_photo(shown)
    parameters = settings(Task.EDIT, masked=True)
    mask = require_mask(shown) if shown and chosen_preserve() is Preserve.MASK else None
    return api.edit(photo, parameters, mask)
