"""What every way of editing asks for first: a photo, and where the words change only a part of it, a mask."""

from typing import TypeVar

import streamlit as st

from framesense.schemas.edits import EditorCapabilities, Preserve
from ui.api import Photo
from ui.edit.form import chosen_preserve
from ui.edit.masking import ask_mask
from ui.edit.photo import DisplayedPhoto, ask_photo, mask_file, painted_mask, photo_in_hand

Value = TypeVar("Value")


def ask_editable(capabilities: EditorCapabilities) -> DisplayedPhoto | None:
    """The photo as it will be edited: with a brush over it where only what is painted may change."""
    shown = ask_photo()
    if shown is None:
        return None
    if chosen_preserve() is Preserve.MASK and Preserve.MASK in capabilities.preserve:
        ask_mask(shown)
    else:
        st.image(shown.address)
    return shown


def require(given: Value | None, missing: str) -> Value:
    """Raises ValueError, which says what is ``missing``, for what was not given or is empty."""
    if not given:
        raise ValueError(missing)
    return given


def require_photo(shown: DisplayedPhoto | None) -> Photo:
    """Raises ValueError when none is in hand that could be opened."""
    return require(photo_in_hand() if shown else None, "Choose a photo first.")


def require_mask(shown: DisplayedPhoto) -> Photo:
    """Raises ValueError when nothing is painted."""
    painted = painted_mask()
    return require(
        mask_file(painted, shown.whole) if painted else None,
        "Nothing is painted yet. Paint on the photo what may change, or let the whole photo change.",
    )
