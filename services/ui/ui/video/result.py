"""An analysed video: player, curve and moments, what is searched for, and files to take away."""

from functools import partial

import streamlit as st

from framesense.schemas.jobs import Job
from framesense.schemas.novelty import Frame, NoveltyCurve, NoveltyParameters, Signal, VideoResult
from framesense.schemas.references import TimeRange
from framesense.wording import counted
from ui.api import ExportFormat, GatewayApi, GatewayError, highlights_path
from ui.components import novelty_player
from ui.figure import measured, novelty_figure
from ui.jobs.navigation import show_heading
from ui.shared import show_error
from ui.video.again import offer_analysis
from ui.video.guesses import hedge_frames, hedge_moments, show_doubts
from ui.video.looks import picture, search_pictures
from ui.video.normal import curve_view, offer_deletion, offer_reference, reference_names
from ui.video.options import ask_again, ask_stream
from ui.video.search import find_captions
from ui.video.seeking import request_seek, take_seek
from ui.wording import clock, clock_digits, interval_text, plain, size, variety_text

DOWNLOADS: list[tuple[ExportFormat, str, str]] = [
    ("csv", "CSV", "text/csv"),
    ("json", "JSON", "application/json"),
    ("vtt", "WebVTT", "text/vtt"),
]


def show_result(api: GatewayApi, public: str, job: Job, *, guess_below: float) -> None:
    """Show the result of a video.

    ``public``: the gateway's address in the browser, which fetches pictures and video from there. ``guess_below``:
    captions less likely right than this begin with "perhaps:".
    """
    result = _stored_result(job.id, _api=api)
    show_heading(job)
    _show_facts(result)
    show_doubts(result, guess_below)
    frames = hedge_frames(result, guess_below)
    player = st.container()
    chosen = ask_again(result.parameters, job_id=job.id, references=partial(reference_names, api))
    stream = ask_stream(result.parameters.video_stream, result.video.video_streams, key=job.id)
    chosen = chosen.model_copy(update={"video_stream": stream})
    if chosen.video_stream != result.parameters.video_stream:
        offer_analysis(api, job, chosen, "Looking at another video of the file needs a new analysis.")
    elif chosen.every_n_second != result.parameters.every_n_second:
        # Other frames need other captions; everything else is redrawn from what is stored.
        offer_analysis(api, job, chosen, f"Looking {interval_text(chosen.every_n_second)} needs a new analysis.")
    if len(result.frames) == 1:
        with player:
            _show_only_frame(public, job, frames[0])
        return
    try:
        curve = hedge_moments(api.novelty(job.id, chosen), guess_below)
    except GatewayError as error:
        show_error(error)
        return
    search = search_pictures(api, public, job, result)
    found = _show_table(public, frames, [frame.caption for frame in result.frames], curve)
    with player:
        dragged = _show_player(public, job, frames, curve, found, search, result.video.holes)
        if chosen.signal is Signal.PATCH:
            offer_reference(api, job, frames, dragged)
        if chosen.reference:
            offer_deletion(api, chosen.reference)
    _show_downloads(api, public, job, chosen)


@st.cache_data(show_spinner=False, max_entries=16)
def _stored_result(job_id: str, *, _api: GatewayApi) -> VideoResult:
    """Read a job's result and keep it: it never changes; only its curve is computed anew."""
    return _api.result(job_id)


def _show_facts(result: VideoResult) -> None:
    video = result.video
    facts = [clock(video.duration), f"{video.width} × {video.height}"]
    if video.fps:
        facts.append(f"{counted(round(video.fps, 2), 'frame')} a second")
    facts += [plain(video.codec), size(video.bytes), f"{counted(len(result.frames), 'frame')} looked at"]
    if result.diversity is not None and len(result.frames) > 1:
        facts.append(variety_text(result.diversity))
    st.caption(" · ".join(facts))
    for warning in video.warnings:
        st.warning(plain(warning), icon=":material/warning:")


def _show_only_frame(public: str, job: Job, frame: Frame) -> None:
    """Show the only frame in place of a curve, which one frame does not make; the warning above says so."""
    video, picture_beside = st.columns(2)
    video.video(f"{public}/jobs/{job.id}/video")
    picture_beside.image(public + frame.thumbnail, caption=frame.caption, width="stretch")


def _show_player(
    public: str,
    job: Job,
    frames: list[Frame],
    curve: NoveltyCurve,
    found: list[int],
    search: tuple[str, list[float]],
    holes: list[TimeRange],
) -> tuple[float, float] | None:
    """Show the player; return the stretch of the curve that was dragged over, in seconds.

    ``found``: indices of frames. ``search``: the words that pictures were searched for, and how each frame fits them.
    """
    sought, fit = search
    return novelty_player(
        video_url=f"{public}/jobs/{job.id}/video",
        figure=novelty_figure(frames, curve, found, fit, holes).to_plotly_json(),
        frames=[
            {
                "time": frame.time,
                "novelty": value,
                "caption": frame.caption,
                "thumbnail": picture(public, job, frame, curve),
            }
            for frame, value in zip(frames, measured(curve), strict=True)
        ],
        moments=[
            {**moment.model_dump(), "thumbnail": public + moment.thumbnail, "clip": public + moment.clip}
            for moment in curve.moments
        ],
        stands_out=curve.stands_out,
        digits=clock_digits([frame.time for frame in frames]),
        sought=sought,
        seek=take_seek(),
        view=curve_view(job),
        key=f"player-{job.id}",
    )


def _show_table(public: str, frames: list[Frame], captions: list[str], curve: NoveltyCurve) -> list[int]:
    """Show the frames as a table. ``captions``: what is searched, without what marks guesses.

    A row that is chosen is played. Returns the indices of the frames that a search found (none without a search).
    """
    st.header("Search the captions", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        query = st.text_input(
            "Search",
            key="caption",
            bind="query-params",
            placeholder="dog, red car, …",
            label_visibility="collapsed",
            width=320,
        )
        whole_words = st.toggle("Whole words", key="whole-words", bind="query-params")
        found = find_captions(captions, query, whole_words=whole_words)
        st.caption(f"{len(found)} of {counted(len(frames), 'frame')}")
    digits = clock_digits([frame.time for frame in frames])
    rows = {
        "Time": [clock(frames[i].time, digits) for i in found],
        "Picture": [public + frames[i].thumbnail for i in found],
        "Caption": [frames[i].caption for i in found],
        "Novelty": [curve.novelty[i] for i in found],
    }
    key = f"table-{query}-{whole_words}"

    def play_row() -> None:
        for row in st.session_state[key].selection.rows:
            request_seek(frames[found[row]].time)

    st.dataframe(
        rows,
        hide_index=True,
        height="content" if len(found) < 8 else 420,
        row_height=56,
        on_select=play_row,
        selection_mode="single-row",
        key=key,
        column_config={
            "Time": st.column_config.TextColumn(width=80),
            "Picture": st.column_config.ImageColumn(width=90),
            "Caption": st.column_config.TextColumn(width="large"),
            "Novelty": st.column_config.NumberColumn(format="%.3f", width=80),
        },
    )
    return found if query.strip() else []


def _show_downloads(api: GatewayApi, public: str, job: Job, novelty: NoveltyParameters) -> None:
    st.header("Take it away", anchor=False)
    stem = job.name.rpartition(".")[0] or job.name or "video"
    with st.container(horizontal=True):
        st.link_button("Highlights", public + highlights_path(job.id, novelty), icon=":material/movie:")
        for file_format, label, media_type in DOWNLOADS:
            st.download_button(
                label,
                partial(api.export, job.id, file_format, novelty),
                file_name=f"{stem}-novelty.{file_format}",
                mime=media_type,
                on_click="ignore",
                icon=":material/download:",
                key=f"{file_format}-{job.id}",
            )
