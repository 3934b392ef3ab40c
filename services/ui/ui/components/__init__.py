"""The three parts of a page that Streamlit has no widget for, each a folder with its html, css and js.

Their scripts load Plotly and tus-js-client from ``/assets`` of this server (:mod:`ui.app`).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from pydantic import BaseModel, TypeAdapter, ValidationError

HERE = Path(__file__).parent
_RANGE: TypeAdapter[tuple[float, float] | None] = TypeAdapter(tuple[float, float] | None)


class Upload(BaseModel):
    """A file that lies whole at the gateway: its upload id, file name and bytes."""

    id: str
    name: str
    size: int


@dataclass(frozen=True)
class Seek:
    """Asks the player for a place, once for each ``token``. ``time``: seconds."""

    time: float
    token: str


def upload_file(*, endpoint: str, largest: int | None, accept: str, invitation: str, key: str) -> Upload | None:
    """Sends a file from the browser straight to the tus ``endpoint``; None until one is there whole.

    This process sees the upload's id only, never the file. ``largest``: bytes. ``accept``: as in HTML.
    """
    component = _component("upload", isolate_styles=True)
    answer = component(
        key=key,
        data={"endpoint": endpoint, "largest": largest, "accept": accept, "invitation": invitation},
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
    seek: Seek | None,
    key: str,
) -> tuple[float, float] | None:
    """The video, its curve and its moments; a click on either of the latter seeks the first, with no round trip.
    Answers the stretch of the curve that was dragged over, in seconds: it fills the graph until a double click.

    ``frames``: ``time`` (seconds), ``novelty``, ``caption``, ``thumbnail`` (URL). ``moments``: the fields of
    framesense.schemas.novelty.Moment, with the thumbnail's whole URL. ``figure``: Plotly JSON.
    """
    component = _component("novelty", isolate_styles=False)  # Plotly puts its styles into the document's head
    data = {"video": video_url, "figure": figure, "frames": frames, "moments": moments}
    answer = component(
        key=key,
        data={**data, "seek": asdict(seek) if seek else None},
        default={"range": None},
        on_range_change=lambda: None,
    )
    try:
        return _RANGE.validate_python(answer.range)
    except ValidationError:  # the browser says what it likes
        return None


def photo_map(*, figure: dict[str, Any], photos: list[dict[str, str]], key: str) -> None:
    """Dots that show their photo on hover and tap.

    ``figure``: Plotly JSON of scatter traces whose ``customdata`` are indices of ``photos``, each with ``thumbnail``
    (URL), ``name`` and ``tags``.
    """
    component = _component("photomap", isolate_styles=False)  # Plotly puts its styles into the document's head
    component(key=key, data={"figure": figure, "photos": photos})


@st.cache_resource(show_spinner=False)
def _component(name: str, *, isolate_styles: bool) -> Any:
    parts = {kind: (HERE / name / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css", "js")}
    return st.components.v2.component(f"framesense-{name}", **parts, isolate_styles=isolate_styles)
