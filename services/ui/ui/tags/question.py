"""Which photos, which words, in which sentence."""

from dataclasses import dataclass

import streamlit as st

from framesense.schemas.tags import DEFAULT_TEMPLATE, LabelSet
from ui import examples
from ui.api import GatewayApi, GatewayError, Photo
from ui.deletion import ask_deletion
from ui.photos import ask_photos
from ui.shared import show_error
from ui.widget_state import restore_value, set_value
from ui.wording import lines_in, words_in

WORDS_HELP = "One a line, or commas between. Any words will do: nothing is trained."
TEMPLATES_HELP = "{label} stands for each word. Several sentences, one a line, are averaged."
WORDS, TEMPLATES, EXAMPLE = "tags-words", "tags-templates", "tags-example"
"""Keys in the session."""


@dataclass(frozen=True)
class Question:
    photos: tuple[Photo, ...]
    labels: tuple[str, ...]
    templates: tuple[str, ...]


def ask_question(api: GatewayApi) -> Question | None:
    """Ask for photos and words; None until there are both."""
    restore_value(WORDS, "")
    restore_value(TEMPLATES, DEFAULT_TEMPLATE)
    left, right = st.columns(2, gap="large")
    with left:
        photos = ask_photos("Photos", key="tags-photos")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Load the example", icon=":material/lightbulb:", on_click=_load_example)
            if not photos and st.session_state.get(EXAMPLE):
                st.caption("The example's photos are shown. Choose your own above.")
    with right:
        _offer_label_sets(api)
        labels = words_in(st.text_area("Words", key=WORDS, height=120, help=WORDS_HELP, placeholder="cat, dog, …"))
        templates = lines_in(st.text_area("In a sentence", key=TEMPLATES, height=68, help=TEMPLATES_HELP))
    if not photos and st.session_state.get(EXAMPLE):
        photos = list(examples.photos())
    return Question(tuple(photos), tuple(labels), tuple(templates)) if photos and labels else None


def _load_example() -> None:
    st.session_state[EXAMPLE] = True
    set_value(WORDS, ", ".join(examples.LABELS))
    set_value(TEMPLATES, DEFAULT_TEMPLATE)


def _offer_label_sets(api: GatewayApi) -> None:
    try:
        names = [one.name for one in api.label_sets()]
    except GatewayError as error:
        show_error(error)
        return
    if not names:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Label set", names, index=None, placeholder="none", width=240)
        if not name:
            return
        try:
            st.button("Use", on_click=_use, args=[api.label_set(name)])
            if ask_deletion(f"the label set “{name}”", key=f"delete-label-set-{name}"):
                api.delete_label_set(name)
                st.rerun()
        except GatewayError as error:
            show_error(error)


def _use(chosen: LabelSet) -> None:
    set_value(WORDS, "\n".join(chosen.labels))
    set_value(TEMPLATES, "\n".join(chosen.templates))
