"""What the pictures of a video show: searched in words, and where in them something is odd."""

from urllib.parse import urlencode

import streamlit as st

from framesense.schemas.jobs import Job
from framesense.schemas.novelty import Frame, NoveltyCurve, SearchResult, Signal, VideoResult
from ui.api import GatewayApi, GatewayError
from ui.shared import show_error, show_warnings
from ui.video.again import offer_analysis
from ui.video.seeking import request_seek
from ui.wording import clock, clock_digits, plain

MOMENTS_SHOWN = 5
NOTHING_FOUND: tuple[str, list[float]] = ("", [])
NEEDS_ANALYSIS = (":search-not-stored", ":model-changed")
"""Problems of a search that a new analysis solves: no tagger saw the frames, or another model than runs now."""


def picture(public: str, job: Job, frame: Frame, curve: NoveltyCurve) -> str:
    """Return the address of a frame's thumbnail; by the signal ``patch``, with what is odd in it painted red."""
    parameters = curve.parameters
    if parameters.signal is not Signal.PATCH:
        return public + frame.thumbnail
    query: dict[str, str | int] = {"rolling_window_size": parameters.rolling_window_size}
    if parameters.reference:
        query["reference"] = parameters.reference
    return f"{public}/jobs/{job.id}/frames/{frame.index}/heatmap.png?{urlencode(query)}"


def search_pictures(api: GatewayApi, public: str, job: Job, result: VideoResult) -> tuple[str, list[float]]:
    """Ask for words to find; return them and how well each frame fits them; nothing of both where none does."""
    st.header("Search the pictures", anchor=False)
    words = st.text_input(
        "What to look for",
        key="find",
        bind="query-params",
        placeholder="a red car, people at a table, …",
        label_visibility="collapsed",
        width=320,
        max_chars=200,
    ).strip()
    if not words:
        st.caption("In words of your own, whatever the captions say. The fit is drawn over the curve, dashed.")
        return NOTHING_FOUND
    try:
        found = _search(job.id, words, _api=api)
    except GatewayError as error:
        show_error(error)
        if error.problem.type.endswith(NEEDS_ANALYSIS):
            offer_analysis(
                api, job, result.parameters, "A new analysis makes the pictures searchable; nothing is sent again."
            )
        return NOTHING_FOUND
    show_warnings(found.warnings)
    if not found.moments:
        st.caption(f"Nothing in this video fits “{plain(words)}”.")
        return NOTHING_FOUND
    _show_found(public, job, found, clock_digits([frame.time for frame in result.frames]))
    return words, found.similarity


@st.cache_data(show_spinner=False, max_entries=64)
def _search(job_id: str, words: str, *, _api: GatewayApi) -> SearchResult:
    return _api.search(job_id, words)


def _show_found(public: str, job: Job, found: SearchResult, digits: int) -> None:
    """Show the best moments as pictures, each with a button that plays it. ``digits``: of the times."""
    for column, moment in zip(st.columns(MOMENTS_SHOWN), found.moments, strict=False):
        with column:
            st.image(public + moment.thumbnail, caption=f"fit {moment.similarity:.2f}", alt=moment.caption)
            st.button(
                clock(moment.peak, digits),
                key=f"found-{job.id}-{moment.peak_index}",
                icon=":material/play_arrow:",
                on_click=request_seek,
                args=[moment.peak],
            )
