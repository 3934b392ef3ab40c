"""A new video: send it, say how to look at it, start. Beside it, the videos of before."""

import streamlit as st

from framesense.schemas.jobs import Job, JobKind
from framesense.schemas.novelty import VideoParameters
from ui.api import GatewayApi, GatewayError
from ui.components import upload_file
from ui.jobs.listing import show_jobs
from ui.jobs.navigation import open_job
from ui.shared import show_error, warn_unless_ready
from ui.video.options import ask_all
from ui.wording import seconds_text

ACCEPTED = "video/*,.mp4,.mov,.mkv,.avi,.webm,.mpg,.mpeg,.m4v,.ts,.3gp,.ogv"


def show_start(api: GatewayApi, public: str) -> None:
    """Show how to start a job. ``public``: the gateway's address in the browser, where the video is sent."""
    st.title("Find the odd moments of a video", anchor=False)
    st.markdown(
        "Every few seconds a frame is described in words and compared with the frames before it. "
        "What differs stands out: as a curve, as a list of moments, and in a search.",
        width=720,
    )
    warn_unless_ready(api)
    new, earlier = st.columns([3, 2], gap="large")
    with new:
        _show_new(api, public)
    with earlier:
        _show_earlier(api)


def _show_new(api: GatewayApi, public: str) -> None:
    st.subheader("New video", anchor=False)
    upload = upload_file(
        endpoint=f"{public}/uploads",
        largest=api.largest_video(),
        accept=ACCEPTED,
        invitation="Choose a video",
        key=_upload_key(),
    )
    parameters = ask_all(VideoParameters(), key="new", across=False)
    if not st.button("Start", type="primary", icon=":material/play_arrow:", disabled=upload is None) or upload is None:
        return
    try:
        job = api.analyse_upload(upload.id, parameters)
    except GatewayError as error:
        show_error(error)
        return
    st.session_state["videos_started"] = st.session_state.get("videos_started", 0) + 1
    open_job(job.id)
    st.rerun()


def _upload_key() -> str:
    """Return the key of the upload's component: a fresh one for the next video."""
    return f"upload-{st.session_state.get('videos_started', 0)}"


def _show_earlier(api: GatewayApi) -> None:
    st.subheader("Earlier videos", anchor=False)
    show_jobs(api, [JobKind.VIDEO], _asked)


def _asked(job: Job) -> str:
    return f"every {seconds_text(VideoParameters.model_validate(job.parameters).every_n_second)}"
