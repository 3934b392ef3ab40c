"""The photo with a brush over it, where only what is painted may change."""

import streamlit as st

from ui.components import paint_mask
from ui.edit.photo import DisplayedPhoto, keep_mask, mask_of_file, painted_mask
from ui.photos import PHOTO_TYPES

MASK_HELP = "A picture of the same shape as the photo: white may change, black is kept."


def ask_mask(shown: DisplayedPhoto) -> None:
    """Show the photo with a brush; what is painted stays with the photo."""
    loaded = st.session_state.get(_key(shown))
    token = f"{shown.token}-{loaded or 0}"
    painted = paint_mask(
        picture=shown.address, size=shown.size, mask=painted_mask(), token=token, key=f"edit-painter-{token}"
    )
    keep_mask(painted)
    with st.expander("Use a mask picture instead"):
        key = f"edit-mask-upload-{shown.token}"
        st.file_uploader("Mask", type=PHOTO_TYPES, key=key, help=MASK_HELP, on_change=_uploaded, args=[key, shown])
        if st.session_state.get(_key(shown)) == 0:
            st.error("This file cannot be opened as a picture.", icon=":material/error:")


def _uploaded(key: str, shown: DisplayedPhoto) -> None:
    """Take an uploaded mask for what is painted on the photo; it may be painted on."""
    file = st.session_state.get(key)
    if file is None:
        return
    mask = mask_of_file(file.getvalue(), shown.size)
    if mask:
        keep_mask(mask)
    st.session_state[_key(shown)] = file.file_id if mask else 0


def _key(shown: DisplayedPhoto) -> str:
    return f"edit-mask-loaded-{shown.token}"
