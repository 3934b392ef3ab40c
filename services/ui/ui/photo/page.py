"""Photos in, captions out, and where the model looked at each word."""

import streamlit as st

from framesense.schemas.captions import CaptionResponse
from ui import examples
from ui.api import GatewayApi, GatewayError, Photo
from ui.photo.caption import show_caption
from ui.photo.guesses import Guess, find_guesses
from ui.photos import Answered, ask_about, ask_photos
from ui.settings import UiSettings
from ui.shared import gateway_api, show_error, warn_unless_ready
from ui.widget_state import restore_value

BEAMS_HELP = "How many half-written captions are followed at once. More are slower, and mostly a little better."
DEFAULT_BEAMS, MOST_BEAMS = 4, 10
"""As the captioner's own, unless its settings say otherwise."""
BEAMS, EXAMPLE = "caption-beams", "caption-example"
"""Keys in the session."""


def main(api: GatewayApi, guess_below: float) -> None:
    st.title("Caption an image", anchor=False)
    st.write("What is in a photo, in words, and where the model looked at each of them.")
    warn_unless_ready(api)
    photos = ask_photos("Photos", key="caption-photos")
    restore_value(BEAMS, DEFAULT_BEAMS)
    beams = st.slider("Beams", 1, MOST_BEAMS, key=BEAMS, help=BEAMS_HELP, width=320)
    if st.button("Try the example", icon=":material/lightbulb:"):
        st.session_state[EXAMPLE] = True
    if photos:
        st.session_state[EXAMPLE] = False
    elif st.session_state.get(EXAMPLE):
        photos = list(examples.photos())
    else:
        return
    try:
        answered, guesses = _captions(api, photos, beams, guess_below)
    except GatewayError as error:
        show_error(error)
        return
    answered.show_refusals()
    if answered.answer is None:
        return
    for photo, caption, guess in zip(answered.photos, answered.answer.captions, guesses, strict=True):
        show_caption(photo, caption, guess)
    _show_json(answered.answer)


def _captions(
    api: GatewayApi, photos: list[Photo], beams: int, guess_below: float
) -> tuple[Answered[CaptionResponse], list[Guess | None]]:
    """Caption photos, and keep the last answer: any click on the page runs it again."""
    kept = st.session_state.get("captions")
    if kept and kept[0] == (photos, beams):
        known: tuple[Answered[CaptionResponse], list[Guess | None]] = kept[1]
        return known
    with st.spinner("Looking …"):
        answered = ask_about(photos, lambda some: api.caption(some, beams=beams))
        guesses = find_guesses(api, answered.photos, answered.answer, guess_below) if answered.answer else []
    st.session_state["captions"] = ((photos, beams), (answered, guesses))
    return answered, guesses


def _show_json(response: CaptionResponse) -> None:
    """Show the answer of the REST API without its attention maps; the code box has a button that copies."""
    text = response.model_dump_json(indent=2, exclude_none=True, exclude={"captions": {"__all__": {"attention"}}})
    with st.expander("JSON"):
        st.download_button(
            "Download", text, "captions.json", "application/json", icon=":material/download:", on_click="ignore"
        )
        st.code(text, language="json", height=320)


settings = UiSettings()
main(gateway_api(settings.gateway_url), settings.guess_below)
