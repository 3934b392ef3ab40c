"""Ask for what every way of editing needs: a photo, and a mask where only a part of it may change."""

from typing import TypeVar

import streamlit as st

from framesense.schemas.edits import EditorCapabilities, Preserve
from ui.api import Photo
from ui.edit.form import chosen_preserve
from ui.edit.masking import ask_mask
from ui.edit.photo import DisplayedPhoto, ask_photo, mask_file, painted_mask, photo_in_hand

Value = TypeVar("Value")


def ask_editable(capabilities: EditorCapabilities) -> DisplayedPhoto | None:
    """Show the photo to edit, with a brush over it where only what is painted may change."""
    shown = ask_photo()
    if shown is None:
        return None
    if chosen_preserve() is Preserve.MASK and Preserve.MASK in capabilities.preserve:
        ask_mask(shown)
    else:
        st.image(shown.address, alt="The photo")
    return shown


def require(given: Value | None, missing: str) -> Value:
    """Return a value. Raises ValueError, which says what is ``missing``, where it is None or empty."""
    if not given:
        raise ValueError(missing)
    return given


def require_photo(shown: DisplayedPhoto | None) -> Photo:
    """Return the photo. Raises ValueError where none could be opened."""
    return require(photo_in_hand() if shown else None, "Choose a photo first.")


def require_mask(shown: DisplayedPhoto) -> Photo:
    """Return the painted mask. Raises ValueError where nothing is painted."""
    painted = painted_mask()
    return require(
        mask_file(painted, shown.whole) if painted else None,
        "Nothing is painted yet. Paint on the photo what may change, or let the whole photo change.",
    )
