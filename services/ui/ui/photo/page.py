"""Photos in, captions out, and where the model looked at each word."""

import streamlit as st

from framesense.schemas.captions import CaptionResponse
from ui import examples
from ui.api import GatewayApi, GatewayError, Photo
from ui.photo.caption import show_caption
from ui.photo.guesses import Guess, find_guesses
from ui.settings import UiSettings
from ui.shared import PHOTO_TYPES, gateway_api, show_error, warn_unless_ready

BEAMS_HELP = "How many half-written captions are followed at once. More are slower, and mostly a little better."


def main(api: GatewayApi, guess_below: float) -> None:
    st.title("Caption an image", anchor=False)
    st.write("What is in a photo, in words, and where the model looked at each of them.")
    warn_unless_ready(api)
    files = st.file_uploader("Photos", type=PHOTO_TYPES, accept_multiple_files=True)
    beams = st.slider("Beams", 1, 8, 4, help=BEAMS_HELP, width=320)
    if st.button("Try the example", icon=":material/lightbulb:"):
        st.session_state["caption_example"] = True
    if files:
        st.session_state["caption_example"] = False
        photos = [Photo(file.name, file.type or "application/octet-stream", file.getvalue()) for file in files]
    elif st.session_state.get("caption_example"):
        photos = list(examples.photos())
    else:
        return
    try:
        response, guesses = _captions(api, photos, beams, guess_below)
    except GatewayError as error:
        show_error(error)
        return
    for photo, caption, guess in zip(photos, response.captions, guesses, strict=True):
        show_caption(photo, caption, guess)
    _show_json(response)


def _captions(
    api: GatewayApi, photos: list[Photo], beams: int, guess_below: float
) -> tuple[CaptionResponse, list[Guess | None]]:
    """Caption photos, and keep the last answer: any click on the page runs it again."""
    kept = st.session_state.get("captions")
    if kept and kept[0] == (photos, beams):
        answer: tuple[CaptionResponse, list[Guess | None]] = kept[1]
        return answer
    with st.spinner("Looking …"):
        response = api.caption(photos, beams=beams)
        guesses = find_guesses(api, photos, response, guess_below)
    st.session_state["captions"] = ((photos, beams), (response, guesses))
    return response, guesses


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
