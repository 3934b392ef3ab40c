"""Photos → ranked labels."""

import streamlit as st

from framesense.schemas.classifiers import Classification, Classifier
from ui import examples
from ui.api import GatewayApi, GatewayError, Photo
from ui.photo.attention import preview
from ui.photos import ask_about, ask_photos
from ui.shared import show_error, show_warnings
from ui.wording import percent, plain

LABELS_SHOWN = 5
ACROSS = 3


def is_example(classifier: Classifier) -> bool:
    """Tell whether the drawings of the worked example are of its labels."""
    return set(classifier.labels) == set(examples.SHAPES)


def show_trying(api: GatewayApi, classifier: Classifier) -> None:
    photos = ask_photos("Photos", key=f"try-{classifier.name}")
    if not photos and is_example(classifier) and st.toggle("Try the example's drawings", key="try-example"):
        photos = [examples.drawing(shape, number) for shape in examples.SHAPES for number in examples.TRIED]
    if not photos:
        return
    try:
        with st.spinner("Looking …"):
            answered = ask_about(photos, lambda some: api.classify(classifier.name, some))
    except GatewayError as error:
        show_error(error)
        return
    answered.show_refusals()
    if answered.answer is None:
        return
    show_warnings(answered.answer.warnings)
    columns = st.columns(ACROSS, gap="medium")
    for index, (photo, image) in enumerate(zip(answered.photos, answered.answer.images, strict=True)):
        with columns[index % ACROSS]:
            _show_ranking(photo, image)


def _show_ranking(photo: Photo, image: Classification) -> None:
    with st.container(border=True, gap="small"):
        if picture := preview(photo.data):
            st.image(picture, alt=photo.name)
        st.caption(plain(photo.name))
        for ranked in image.ranking[:LABELS_SHOWN]:
            st.progress(min(1.0, ranked.probability), text=f"**{plain(ranked.label)}** {percent(ranked.probability)}")
