"""A new video: send it, say how to look at it, start. Beside it, the videos of before."""

import streamlit as st

from framesense.schemas.jobs import Job, JobKind, JobState
from framesense.schemas.novelty import Interval, Strength, VideoParameters, VideoPlan
from framesense.wording import counted
from ui import examples
from ui.api import GatewayApi, GatewayError
from ui.components import upload_file
from ui.jobs.listing import Entry, show_jobs
from ui.jobs.navigation import open_job
from ui.shared import show_error, warn_of_missing, warn_unless_ready
from ui.video.options import ask_new, ask_stream
from ui.wording import clock, interval_text, plan_text

ACCEPTED = "video/*,.mp4,.mov,.mkv,.avi,.webm,.mpg,.mpeg,.m4v,.ts,.3gp,.ogv"


def show_start(api: GatewayApi, public: str) -> None:
    """Show how to start a job. ``public``: the gateway's address in the browser, where the video is sent."""
    st.title("Find the odd moments of a video", anchor=False)
    st.markdown(
        "Frames are taken at even intervals, compared with one another, and described in words. "
        "What differs stands out: as a curve, as a list of moments, and in a search.",
        width=720,
    )
    warn_unless_ready(api)
    warn_of_missing(api, "queue video")
    new, earlier = st.columns([3, 2], gap="large")
    with new:
        _show_new(api, public)
    with earlier:
        _show_earlier(api, public)


def _show_new(api: GatewayApi, public: str) -> None:
    st.header("New video", anchor=False)
    upload = upload_file(
        endpoint=f"{public}/uploads",
        largest=api.largest_video(),
        accept=ACCEPTED,
        invitation="Choose a video",
        key=_upload_key(),
    )
    parameters = ask_new(VideoParameters())
    # The place is there from the beginning: what comes and goes above the buttons would show them twice for a while.
    plan = st.empty()
    with st.container(horizontal=True):
        start = st.button("Start", type="primary", icon=":material/play_arrow:", disabled=upload is None)
        example = st.button("Try the example", icon=":material/lightbulb:")
    if upload is not None:
        with plan.container():
            parameters = _ask_stream(api, upload.id, parameters)
            _show_plan(api, upload.id, parameters)
    try:
        if start and upload is not None:
            job = api.analyse_upload(upload.id, parameters)
        elif example:
            job = api.analyse_file(*examples.video(), parameters)
        else:
            return
    except GatewayError as error:
        show_error(error)
        return
    st.session_state["videos_started"] = st.session_state.get("videos_started", 0) + 1
    open_job(job.id)
    st.rerun()


def _ask_stream(api: GatewayApi, upload_id: str, parameters: VideoParameters) -> VideoParameters:
    """Ask which video is meant where the file has several."""
    try:
        streams = _plan(upload_id, parameters.every_n_second, None, _api=api).video_streams
    except GatewayError:
        return parameters
    return parameters.model_copy(update={"video_stream": ask_stream(None, streams, key=f"new-{upload_id}")})


def _show_plan(api: GatewayApi, upload_id: str, parameters: VideoParameters) -> None:
    """Tell what will be looked at; nothing where the gateway cannot say: starting will tell why."""
    try:
        st.caption(plan_text(_plan(upload_id, parameters.every_n_second, parameters.video_stream, _api=api)))
    except GatewayError:
        return


@st.cache_data(show_spinner=False, max_entries=64, ttl=600)
def _plan(upload_id: str, every_n_second: Interval, video_stream: int | None, *, _api: GatewayApi) -> VideoPlan:
    """Ask once for each choice, not at every touch of the page."""
    return _api.plan_upload(upload_id, every_n_second, video_stream)


def _upload_key() -> str:
    """Return the key of the upload's component: a fresh one for the next video."""
    return f"upload-{st.session_state.get('videos_started', 0)}"


def _show_earlier(api: GatewayApi, public: str) -> None:
    st.header("Earlier videos", anchor=False)

    def describe(job: Job) -> Entry:
        asked = interval_text(VideoParameters.model_validate(job.parameters).every_n_second)
        if job.state is not JobState.SUCCEEDED:
            return Entry(asked)
        thumbnail, found = _found(job.id, _api=api)
        return Entry(f"{found} · {asked}", public + thumbnail)

    show_jobs(api, [JobKind.VIDEO], describe)


@st.cache_data(show_spinner=False, max_entries=2000)
def _found(job_id: str, *, _api: GatewayApi) -> tuple[str, str]:
    """Return the path of a picture of a video, the oddest, and its length and number of odd moments in words.

    Kept, as a result never changes, and it is long.
    """
    result = _api.result(job_id)
    odd = [moment for moment in result.moments if moment.strength is Strength.STRONG]
    best = odd[0] if odd else result.frames[0]
    return best.thumbnail, f"{clock(result.video.duration)} · {counted(len(odd), 'odd moment')}"
