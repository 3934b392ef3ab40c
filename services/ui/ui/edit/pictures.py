"""Fetch small copies of pictures from the gateway: a sheet of forty does not load forty whole PNGs."""

import streamlit as st

from ui.api import GatewayApi, GatewayError
from ui.photo.attention import preview
from ui.thumbnails import data_url

SIDE = 320
EMPTY = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent pixel."""


@st.cache_data(show_spinner=False, max_entries=2000)
def _small(path: str, side: int, *, _api: GatewayApi) -> str:
    picture = preview(_api.picture(path), side)
    return data_url(picture, side) if picture else EMPTY


def small_picture(api: GatewayApi, path: str | None, side: int = SIDE) -> str:
    """Return a small copy as a data URL; an empty picture where there is none. ``path``: on the gateway."""
    try:
        return _small(path, side, _api=api) if path else EMPTY
    except GatewayError:
        return EMPTY
