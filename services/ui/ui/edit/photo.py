"""The photo in hand: chosen, an example, or a picture that an edit made. It stays while one goes from tab to tab."""

import base64
import hashlib
import io
from dataclasses import dataclass

import streamlit as st
from PIL import Image

from ui.api import Photo
from ui.photo.attention import preview
from ui.photos import PHOTO_TYPES
from ui.thumbnails import data_url
from ui.wording import plain

SHOWN_SIDE = 1024
"""Pixels of the longer side of what is shown and painted on."""
_PHOTO, _UPLOADS, _MASK = "edit-photo", "edit-uploads", "edit-mask"
_PNG = "data:image/png;base64,"


@dataclass(frozen=True)
class DisplayedPhoto:
    """A photo as the page shows it: upright and not too large.

    ``size``: width and height in pixels; ``whole``: those of the photo itself. ``token``: the same for the same photo.
    """

    address: str
    size: tuple[int, int]
    whole: tuple[int, int]
    token: str


def photo_in_hand() -> Photo | None:
    return st.session_state.get(_PHOTO)


def take_photo(photo: Photo | None, mask: str | None = None) -> None:
    """Make this the photo to edit. ``mask``: a data URL of what is painted on it."""
    st.session_state[_PHOTO] = photo
    st.session_state[_MASK] = mask
    st.session_state[_UPLOADS] = st.session_state.get(_UPLOADS, 0) + 1  # a fresh uploader, without the last file


def painted_mask() -> str | None:
    """Return the painted mask as a data URL."""
    return st.session_state.get(_MASK)


def keep_mask(mask: str | None) -> None:
    st.session_state[_MASK] = mask


def ask_photo() -> DisplayedPhoto | None:
    """Show the uploader and return the photo as it can be shown; None without one, or when it is no photo."""
    key = f"edit-upload-{st.session_state.get(_UPLOADS, 0)}"
    st.file_uploader("Photo", type=PHOTO_TYPES, key=key, on_change=_uploaded, args=[key])
    photo = photo_in_hand()
    if photo is None:
        return None
    shown = show(photo.data)
    if shown is None:
        st.error(
            f"**Not a photo**  \n{plain(photo.name)} cannot be opened as a picture: it is damaged, of another kind, "
            "or far too large. Choose a JPEG, PNG or WebP.",
            icon=":material/error:",
        )
        return None
    st.caption(f"{plain(photo.name)} · {shown.whole[0]} × {shown.whole[1]} pixels")
    return shown


def _uploaded(key: str) -> None:
    file = st.session_state.get(key)
    photo = Photo(file.name, file.type or "application/octet-stream", file.getvalue()) if file else None
    # Who leaves the form in haste may find the same file told again on the way back: its mask is still its own.
    if photo != photo_in_hand():
        st.session_state[_PHOTO], st.session_state[_MASK] = photo, None


@st.cache_data(show_spinner=False, max_entries=16)
def show(data: bytes) -> DisplayedPhoto | None:
    picture = preview(data, SHOWN_SIDE)
    if picture is None:
        return None
    with Image.open(io.BytesIO(data)) as original:
        width, height = original.size
        if original.getexif().get(0x0112, 1) >= 5:  # turned by a quarter
            width, height = height, width
    token = hashlib.sha256(data).hexdigest()[:16]
    return DisplayedPhoto(data_url(picture, SHOWN_SIDE), picture.size, (width, height), token)


def mask_of_file(data: bytes, size: tuple[int, int]) -> str | None:
    """Return an uploaded mask as a data URL of the shown photo's ``size``; None when it is no picture."""
    picture = preview(data, SHOWN_SIDE)
    return _png_url(picture.convert("L").resize(size, Image.Resampling.BILINEAR)) if picture else None


def mask_file(painted: str, whole: tuple[int, int]) -> Photo | None:
    """Return what was painted as a black and white PNG of the ``whole`` photo's size.

    None when it is no PNG or all black.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(painted.removeprefix(_PNG), validate=True))) as picture:
            grey = picture.convert("L").resize(whole, Image.Resampling.BILINEAR)
    except (OSError, ValueError, Image.DecompressionBombError):  # the browser says what it likes
        return None
    white = grey.point(lambda value: 255 if value > 127 else 0)
    if white.getbbox() is None:
        return None
    stream = io.BytesIO()
    white.save(stream, "PNG")
    return Photo("mask.png", "image/png", stream.getvalue())


def _png_url(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return _PNG + base64.b64encode(stream.getvalue()).decode("ascii")
