"""One photo, its caption, and its words one by one."""

import math

import streamlit as st
from PIL import Image

from framesense.schemas.arrays import to_numpy
from framesense.schemas.captions import Caption
from ui.api import Photo
from ui.photo.attention import overlay, preview
from ui.wording import percent, plain

WORD_WIDTH = 128
"""Pixels of a word's picture: two side by side fit a phone."""


def show_caption(photo: Photo, caption: Caption) -> None:
    picture = preview(photo.data)
    with st.container(border=True):
        left, right = st.columns([1, 2], gap="medium")
        with left:
            if picture:
                st.image(picture)
            st.caption(plain(photo.name))
        with right:
            st.subheader(plain(caption.caption), anchor=False)
            sure = percent(math.exp(caption.log_probability))
            st.caption(f"Each word is given its probability after those before it; their geometric mean is {sure}.")
            if picture:
                _show_words(picture, caption)


def _show_words(picture: Image.Image, caption: Caption) -> None:
    """Show a small picture for each word, side by side as far as there is room."""
    if caption.attention is None:
        return
    with st.container(horizontal=True, gap="small"):
        for token, attention in zip(caption.tokens, to_numpy(caption.attention), strict=False):
            label = f"**{plain(token.text)}** {percent(math.exp(token.log_probability))}"
            st.image(overlay(picture, attention), caption=label, width=WORD_WIDTH)
