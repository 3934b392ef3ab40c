"""One photo, its caption, and its words one by one."""

import math

import streamlit as st
from PIL import Image

from framesense.schemas.arrays import to_numpy
from framesense.schemas.captions import Caption
from ui.api import Photo
from ui.photo.attention import overlay, preview
from ui.photo.guesses import Guess
from ui.wording import percent, plain

WORD_WIDTH = 128
"""Pixels of a word's picture: two side by side fit a phone."""


def show_caption(photo: Photo, caption: Caption, guess: Guess | None) -> None:
    """Show a photo beside its caption. ``guess``: what to say first where the caption is one, None where it is not."""
    picture = preview(photo.data)
    with st.container(border=True):
        left, right = st.columns([1, 2], gap="medium")
        with left:
            if picture:
                st.image(picture, alt=photo.name)
            st.caption(plain(photo.name))
        with right:
            if guess is None:
                st.header(plain(caption.caption), anchor=False)
            else:
                st.header(plain(guess.words), anchor=False)
                st.markdown(f"The caption is a guess: “{plain(caption.caption)}”.")
            st.caption(_how_sure(caption))
            if guess is not None and guess.note:
                st.caption(plain(guess.note))
            if picture:
                _show_words(picture, caption)


def _how_sure(caption: Caption) -> str:
    each = "Beside each word: how likely the model found it after those before it."
    if caption.confidence is None:
        return each
    return f"Right with a chance of about {percent(caption.confidence)}. {each}"


def _show_words(picture: Image.Image, caption: Caption) -> None:
    """Show a small picture for each word, side by side as far as there is room."""
    if caption.attention is None:
        return
    with st.container(horizontal=True, gap="small"):
        for token, attention in zip(caption.tokens, to_numpy(caption.attention), strict=False):
            label = f"**{plain(token.text)}** {percent(math.exp(token.log_probability))}"
            st.image(overlay(picture, attention), caption=label, width=WORD_WIDTH, alt=f"Where “{label}” was seen")
