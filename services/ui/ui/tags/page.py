"""Words in, photos in: which of the words fit which photo."""

import streamlit as st

from framesense.schemas.tags import TagsResponse
from ui.api import GatewayApi, GatewayError, Photo
from ui.photos import Answered, ask_about
from ui.settings import UiSettings
from ui.shared import gateway_api, show_error, warn_unless_ready
from ui.tags.answer import show_answer
from ui.tags.label_sets import offer_saving
from ui.tags.question import ask_question

KEPT = 300
"""Seconds that an answer is kept: every move of a widget runs the page again."""


def main(api: GatewayApi) -> None:
    st.title("Tag photos in your own words", anchor=False)
    st.markdown(
        "Write the words that matter to you; each photo is given those that fit. Nothing is trained.", width=720
    )
    warn_unless_ready(api)
    question = ask_question(api)
    if question is None:
        return
    offer_saving(api, question)
    try:
        answered = _tags(question.photos, question.labels, question.templates, _api=api)
    except GatewayError as error:
        show_error(error)
        return
    answered.show_refusals()
    if answered.answer is not None:
        show_answer(answered.photos, answered.answer)


@st.cache_data(show_spinner="Looking …", max_entries=8, ttl=KEPT, scope="session")  # another key may not ask
def _tags(
    photos: tuple[Photo, ...], labels: tuple[str, ...], templates: tuple[str, ...], *, _api: GatewayApi
) -> Answered[TagsResponse]:
    return ask_about(photos, lambda some: _api.tags(some, labels, templates))


main(gateway_api(UiSettings().gateway_url))
