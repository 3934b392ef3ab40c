"""A new video: send it, say how to look at it, start. Beside it, the videos of before."""

import streamlit as st

from framesense.schemas.jobs import Job, JobState
from framesense.schemas.novelty import VideoParameters
from ui.api import GatewayApi, GatewayError
from ui.components import upload_video
from ui.shared import show_error, warn_unless_ready
from ui.video.navigation import open_job
from ui.video.options import ask_all
from ui.wording import ago, plain, seconds_text

JOBS_SHOWN = 50
BADGES = {
    JobState.QUEUED: ("Waiting", "gray"),
    JobState.RUNNING: ("Running", "blue"),
    JobState.SUCCEEDED: ("Done", "green"),
    JobState.FAILED: ("Failed", "red"),
    JobState.CANCELLED: ("Cancelled", "gray"),
}


def show_start(api: GatewayApi, public: str) -> None:
    """``public``: the gateway's address in the browser, where the video is sent."""
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
    upload = upload_video(endpoint=f"{public}/uploads", largest=api.largest_upload(), key=_upload_key())
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
    """A fresh component for the next video."""
    return f"upload-{st.session_state.get('videos_started', 0)}"


def _show_earlier(api: GatewayApi) -> None:
    st.subheader("Earlier videos", anchor=False)
    page = api.jobs(JOBS_SHOWN)
    if not page.jobs:
        st.caption("None yet. They stay here for everyone who opens this page.")
    for job in page.jobs:
        _show_job(api, job)
    if page.total > len(page.jobs):
        st.caption(f"The newest {len(page.jobs)} of {page.total}.")


def _show_job(api: GatewayApi, job: Job) -> None:
    text, colour = BADGES[job.state]
    every_n = VideoParameters.model_validate(job.parameters).every_n_second
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"job-{job.id}"):
        with st.container(gap=None):
            st.markdown(f"**{plain(job.name or 'Video')}** :{colour}-badge[{text}]")
            st.caption(f"every {seconds_text(every_n)} · {ago(job.created_at)}")
        st.button("Open", key=f"open-{job.id}", on_click=open_job, args=[job.id])
        hint = "Forget this video" if job.state.finished else "Cancel"
        if st.button("", icon=":material/delete:", key=f"delete-{job.id}", help=hint, type="tertiary"):
            try:
                api.delete(job.id)
            except GatewayError as error:
                show_error(error)
                return
            st.rerun()
