"""A new classifier, from words or from a file. Beside it, those there are."""

import streamlit as st

from framesense.schemas.classifiers import Classifier, NewClassifier
from framesense.schemas.tags import DEFAULT_TEMPLATE
from framesense.wording import counted
from ui import examples
from ui.api import GatewayApi, GatewayError
from ui.deletion import ask_deletion
from ui.shared import show_error, warn_unless_ready
from ui.studio.navigation import open_classifier
from ui.wording import ago, lines_in, plain, words_in

NAME, LABELS, TEMPLATES = "studio-name", "studio-labels", "studio-templates"
"""Keys in the session."""
LABELS_HELP = "What there is to tell apart. One a line, or commas between."
TEMPLATES_HELP = "{label} stands for each word: “this is a painting of cartoon {label}”. Several lines are averaged."


def show_start(api: GatewayApi) -> None:
    st.title("Make a classifier from words", anchor=False)
    st.markdown(
        "Name what you want to tell apart, and it is ready. "
        "A handful of labelled photos makes it better, and you see by how much.",
        width=720,
    )
    warn_unless_ready(api)
    new, stored = st.columns([3, 2], gap="large")
    with new:
        _show_new(api)
        _show_upload(api)
    with stored:
        st.header("Classifiers", anchor=False)
        _show_stored(api)


def _show_new(api: GatewayApi) -> None:
    st.session_state.setdefault(TEMPLATES, DEFAULT_TEMPLATE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("New classifier", anchor=False)
        st.button("Load the example", icon=":material/lightbulb:", on_click=_load_example)
    name = st.text_input("Name", key=NAME, placeholder="cartoons")
    labels = words_in(st.text_area("Labels", key=LABELS, help=LABELS_HELP, placeholder="mickey mouse, bugs bunny"))
    templates = lines_in(st.text_area("In a sentence", key=TEMPLATES, height=68, help=TEMPLATES_HELP))
    if not st.button("Create", type="primary", icon=":material/add:"):
        return
    if not (name.strip() and labels):
        st.warning("A classifier needs a name and labels.", icon=":material/info:")
        return
    new = NewClassifier(name=name.strip(), labels=labels, templates=templates or [DEFAULT_TEMPLATE])
    try:
        with st.spinner("Creating …"):
            created = api.create_classifier(new)
    except GatewayError as error:
        show_error(error)
        return
    open_classifier(created.name)
    st.rerun()


def _load_example() -> None:
    st.session_state[NAME] = "shapes"
    st.session_state[LABELS] = ", ".join(examples.SHAPES)
    st.session_state[TEMPLATES] = examples.DRAWING_TEMPLATE


def _show_upload(api: GatewayApi) -> None:
    with st.expander("Upload one that was downloaded"), st.form("head", border=False):
        file = st.file_uploader("Classifier", type=["safetensors"])
        name = st.text_input("Name", placeholder="the file's own").strip()
        if not st.form_submit_button("Upload") or file is None:
            return
        try:
            uploaded = api.upload_classifier(file.getvalue(), name)
        except GatewayError as error:
            show_error(error)
            return
        open_classifier(uploaded.name)
        st.rerun()


def _show_stored(api: GatewayApi) -> None:
    stored = api.classifiers()
    if not stored:
        st.caption("None yet. They stay here for everyone.")
    for classifier in stored:
        _show_one(api, classifier)


def _show_one(api: GatewayApi, classifier: Classifier) -> None:
    name = classifier.name
    badge = ":green-badge[Taught]" if classifier.kind == "few-shot" else ":gray-badge[Words]"
    other = "" if classifier.usable else " :orange-badge[Other model]"
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"classifier-{name}"):
        with st.container(gap=None):
            st.markdown(f"**{plain(name)}** {badge}{other}")
            st.caption(f"{counted(len(classifier.labels), 'label')} · {ago(classifier.created_at)}")
        st.button("Open", key=f"open-classifier-{name}", on_click=open_classifier, args=[name])
        if ask_deletion(f"the classifier “{name}”", key=f"delete-classifier-{name}"):
            try:
                api.delete_classifier(name)
            except GatewayError as error:
                show_error(error)
                return
            st.rerun()
