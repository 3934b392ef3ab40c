"""Photos that people choose: kept while they visit other pages, and a bad one among them does not spoil the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, Literal, TypeVar

import streamlit as st

from ui.api import GatewayError, Photo
from ui.shared import show_error
from ui.wording import plain

PHOTO_TYPES = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"]
NAMES_SHOWN = 5

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Answered(Generic[Answer]):
    """Hold the photos that were taken, what was answered about them, and the refusals of the others."""

    photos: tuple[Photo, ...]
    answer: Answer | None
    """About ``photos``; None where none was taken."""
    refusals: tuple[GatewayError, ...]

    def show_refusals(self) -> None:
        for refusal in self.refusals:
            show_error(refusal)


def ask_photos(label: str, *, key: str, label_visibility: Literal["visible", "collapsed"] = "visible") -> list[Photo]:
    """Ask for photos, and return those that were chosen last, here or before another page was visited."""
    chosen = f"{key}-chosen"

    def keep() -> None:
        files = st.session_state[key]
        st.session_state[chosen] = [
            Photo(file.name, file.type or "application/octet-stream", file.getvalue()) for file in files
        ]

    shown = st.file_uploader(
        label,
        type=PHOTO_TYPES,
        accept_multiple_files=True,
        key=key,
        label_visibility=label_visibility,
        on_change=keep,
    )
    photos: list[Photo] = st.session_state.get(chosen, [])
    if photos and not shown:
        _show_kept(photos, chosen)
    return photos


def _show_kept(photos: Sequence[Photo], chosen: str) -> None:
    """Name the photos that the browser's list has lost, with a way to let them go."""
    names = ", ".join(plain(photo.name) for photo in photos[:NAMES_SHOWN])
    more = f" and {len(photos) - NAMES_SHOWN} more" if len(photos) > NAMES_SHOWN else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Still here: {names}{more}", width="content")
        st.button(
            "Remove", key=f"{chosen}-remove", icon=":material/close:", type="tertiary", on_click=_forget, args=[chosen]
        )


def _forget(chosen: str) -> None:
    st.session_state.pop(chosen, None)


def ask_about(photos: Sequence[Photo], ask: Callable[[Sequence[Photo]], Answer]) -> Answered[Answer]:
    """Ask the gateway about photos; where it refuses some, about the others.

    Raises GatewayError where it is not the photos that are refused: nothing answers, or too much is asked of it.
    """
    try:
        return Answered(tuple(photos), ask(photos), ())
    except GatewayError as error:
        if not _may_be_one_photo(error):
            raise
        if len(photos) == 1:
            return Answered((), None, (error,))
    taken: list[Photo] = []
    refusals: list[GatewayError] = []
    for photo in photos:
        try:
            ask([photo])
        except GatewayError as error:
            if not _may_be_one_photo(error):
                raise
            refusals.append(error)
        else:
            taken.append(photo)
    return Answered(tuple(taken), ask(taken) if taken else None, tuple(refusals))


def _may_be_one_photo(error: GatewayError) -> bool:
    return error.problem.status in (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    )
