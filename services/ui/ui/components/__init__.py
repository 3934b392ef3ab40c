"""The parts of a page that Streamlit has no widget for, each a folder with its html, css and js.

Their scripts load Plotly and tus-js-client from ``/assets`` of this server (:mod:`ui.app`).
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st
from pydantic import BaseModel, TypeAdapter, ValidationError

BeforeFit = Literal["cover", "contain", "fill"]
HERE = Path(__file__).parent
_RANGE: TypeAdapter[tuple[float, float] | None] = TypeAdapter(tuple[float, float] | None)


class Upload(BaseModel):
    """A file that lies whole at the gateway: its upload id, file name and bytes."""

    id: str
    name: str
    size: int


@dataclass(frozen=True)
class Seek:
    """Asks the player to go to a place and play, once for each ``token``. ``time``: seconds."""

    time: float
    token: int


@dataclass(frozen=True)
class SheetPicture:
    """One picture of a sheet. ``address``: URL. ``name``: what it is called by those who do not see it."""

    index: int
    address: str
    title: str
    figures: str
    name: str
    best: bool = False
    row: str | None = None
    column: str | None = None


def upload_file(
    *,
    endpoint: str,
    largest: int | None,
    accept: str,
    invitation: str,
    key: str,
    photos: Collection[str] | None = None,
) -> Upload | None:
    """Send a file from the browser straight to the tus ``endpoint``; None until one is there whole.

    This process sees the upload's id only, never the file. ``largest``: bytes. ``accept``: as in HTML. ``photos``:
    suffixes of image files; then many of them, or folders, may be chosen and arrive as one zip.
    """
    component = _component("upload", isolate_styles=True)
    answer = component(
        key=key,
        data={
            "endpoint": endpoint,
            "largest": largest,
            "accept": accept,
            "invitation": invitation,
            "photos": sorted(photos) if photos else None,
        },
        default={"upload": None},
        on_upload_change=lambda: None,
    )
    try:
        return Upload.model_validate(answer.upload) if answer.upload else None
    except ValidationError:  # the browser says what it likes
        return None


def novelty_player(
    *,
    video_url: str,
    figure: dict[str, Any],
    frames: list[dict[str, Any]],
    moments: list[dict[str, Any]],
    stands_out: bool,
    digits: int,
    sought: str,
    seek: Seek | None,
    view: int,
    key: str,
) -> tuple[float, float] | None:
    """Show the video, its curve and its moments.

    A click on a point of the curve or a moment seeks the video, with no round trip. Returns the stretch of the curve
    that was dragged over, in seconds: it fills the graph until a double click, a button, or another ``view``.

    ``frames``: ``time`` (seconds), ``novelty`` (None where it was not measured), ``caption``, ``thumbnail`` (URL).
    ``moments``: the fields of framesense.schemas.novelty.Moment, with the thumbnail's whole URL. ``figure``: Plotly
    JSON. ``digits``: of a second's fraction in times. ``sought``: the words whose fit the figure has.
    """
    component = _component("novelty", isolate_styles=False)  # Plotly puts its styles into the document's head
    data: dict[str, Any] = {
        "video": video_url,
        "figure": figure,
        "frames": frames,
        "moments": moments,
        "standsOut": stands_out,
    }
    data |= {"digits": digits, "sought": sought, "seek": asdict(seek) if seek else None, "view": view}
    answer = component(
        key=key,
        data=data,
        default={"range": None},
        on_range_change=lambda: None,
    )
    try:
        return _RANGE.validate_python(answer.range)
    except ValidationError:  # the browser says what it likes
        return None


def photo_map(*, figure: dict[str, Any], photos: list[dict[str, str]], key: str) -> None:
    """Show dots that show their photo on hover and tap.

    ``figure``: Plotly JSON of scatter traces whose ``customdata`` are indices of ``photos``, each with ``thumbnail``
    (URL), ``name`` and ``tags``.
    """
    component = _component("photomap", isolate_styles=False)  # Plotly puts its styles into the document's head
    component(key=key, data={"figure": figure, "photos": photos})


def compare_pictures(*, before: str, after: str, size: tuple[int, int], fit: BeforeFit, key: str) -> None:
    """Show two pictures over one another and a line between them that is moved by pointer or arrow keys.

    ``before``, ``after``: URLs. ``size``: width and height of what is after, in pixels; ``fit``: how what was before
    comes to that shape, as in CSS.
    """
    component = _component("compare", isolate_styles=True)
    component(key=key, data={"before": before, "after": after, "width": size[0], "height": size[1], "fit": fit})


def paint_mask(*, picture: str, size: tuple[int, int], mask: str | None, token: str, key: str) -> str | None:
    """Show a photo to paint a mask on with a brush.

    Returns what was painted as the data URL of a PNG of the same size, white where it was painted; None while nothing
    is.

    ``picture``: URL; ``size``: its width and height in pixels. ``mask``: painted already, a data URL. ``token``: names
    the photo; another one starts anew.
    """
    component = _component("mask", isolate_styles=True)
    data = {"picture": picture, "width": size[0], "height": size[1], "mask": mask, "token": token}
    painted = component(key=key, data=data, default={"mask": mask}, on_mask_change=lambda: None).mask
    return painted if isinstance(painted, str) else None


def picture_sheet(
    *,
    pictures: Sequence[SheetPicture],
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    corner: str = "",
    chosen: int | None,
    key: str,
) -> int | None:
    """Show pictures to choose from, and return the index of the one that was clicked, once; None otherwise.

    They make a table where ``rows`` and ``columns`` (the names that pictures refer to) are given, else a list.
    """
    component = _component("sheet", isolate_styles=True)
    data = {
        "pictures": [asdict(picture) for picture in pictures],
        "rows": list(rows),
        "columns": list(columns),
        "corner": corner,
        "chosen": chosen,
    }
    clicked = component(key=key, data=data, on_chosen_change=lambda: None).chosen
    known = {picture.index for picture in pictures}
    return clicked if isinstance(clicked, int) and clicked in known else None


def sign_in_form(*, gateway: str, key: str) -> None:
    """Ask for a key, and show it to the gateway at this URL from the browser, which then has the session's cookie."""
    component = _component("signin", isolate_styles=True)
    component(key=key, data={"gateway": gateway})


@st.cache_resource(show_spinner=False)
def _component(name: str, *, isolate_styles: bool) -> Any:
    parts = {kind: (HERE / name / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css", "js")}
    return st.components.v2.component(f"framesense-{name}", **parts, isolate_styles=isolate_styles)
