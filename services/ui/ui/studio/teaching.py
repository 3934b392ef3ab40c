"""Labelled photos → a better classifier, and by how much it is better."""

import streamlit as st

from framesense.schemas.classifiers import Classifier, FewShotGain
from framesense.wording import counted
from ui import examples
from ui.api import GatewayApi, GatewayError, Photo
from ui.photos import ask_photos
from ui.shared import show_error
from ui.studio.navigation import open_classifier
from ui.studio.trying import is_example
from ui.wording import percent, plain, signed_points

MOST_LABELS = 24
"""Labels that get a place for photos each; more would not fit the page."""
ACROSS = 2


def show_teaching(api: GatewayApi, classifier: Classifier) -> None:
    st.markdown(
        "Give each label a handful of photos. How much they help is measured on photos held back; "
        "where they do not, the words stay as they are.",
        width=720,
    )
    if len(classifier.labels) > MOST_LABELS:
        st.info(f"This page has room for {MOST_LABELS} labels; for more, use the API.", icon=":material/info:")
        return
    if is_example(classifier) and st.toggle("Use the example's drawings", key="teach-example"):
        st.caption(f"{counted(len(examples.TAUGHT), 'drawing')} of each label, of many sizes and colours.")
        photos = [(examples.drawing(label, n), label) for label in classifier.labels for n in examples.TAUGHT]
    else:
        photos = _ask_labelled(classifier)
    new_name = st.text_input("Keep the old one, and call the better one", placeholder="the same", width=320).strip()
    if st.button("Teach", type="primary", icon=":material/school:", disabled=not photos):
        _teach(api, classifier, photos, new_name)


def _ask_labelled(classifier: Classifier) -> list[tuple[Photo, str]]:
    columns = st.columns(ACROSS, gap="medium")
    labelled = []
    for index, label in enumerate(classifier.labels):
        with columns[index % ACROSS]:
            photos = ask_photos(plain(label), key=f"teach-{classifier.name}-{index}")
            labelled += [(photo, label) for photo in photos]
    return labelled


def _teach(api: GatewayApi, classifier: Classifier, photos: list[tuple[Photo, str]], new_name: str) -> None:
    images, labels = [photo for photo, _ in photos], [label for _, label in photos]
    try:
        with st.spinner("Learning …"):
            better = api.improve(classifier.name, images, labels, new_name=new_name)
    except GatewayError as error:
        show_error(error)
        return
    open_classifier(better.name)
    st.rerun()


def show_gain(gain: FewShotGain) -> None:
    with st.container(border=True):
        photos, parts = counted(gain.photos, "photo"), counted(gain.folds, "part")
        st.markdown(f"**Taught with {photos}** · measured on held-back ones, in {parts}")
        with st.container(horizontal=True, gap="large"):
            st.metric("Words alone", percent(gain.accuracy_before), width="content")
            same = round(100 * gain.gain) == 0
            st.metric(
                "With photos",
                percent(gain.accuracy_after),
                signed_points(gain.gain),
                delta_color="off" if same else "normal",
                delta_arrow="off" if same else "auto",
                width="content",
            )
            st.metric("Sure to", f"± {counted(round(100 * gain.margin), 'point')}", width="content")
        if not gain.kept:
            st.info("The photos made it no better, so the words stay as they were.", icon=":material/info:")
