"""What the widgets of a result ask of its player: the place to go to."""

import streamlit as st

from ui.components import Seek

_SEEK, _COUNT = "seek", "seeks"


def request_seek(time: float) -> None:
    """Have the player go to a place and play, once. ``time``: seconds."""
    st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1
    st.session_state[_SEEK] = Seek(time, st.session_state[_COUNT])


def take_seek() -> Seek | None:
    """Return what was requested since the last call."""
    seek: Seek | None = st.session_state.pop(_SEEK, None)
    return seek
