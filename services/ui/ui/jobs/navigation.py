"""From job to job: the one that is shown is named in the page's address."""

import streamlit as st

from framesense.schemas.jobs import Job, JobKind
from ui.wording import plain

BACK = {JobKind.VIDEO: "All videos", JobKind.DATASET: "All photo sets"}


def open_job(job_id: str) -> None:
    st.query_params["job"] = job_id


def close_job() -> None:
    st.query_params.clear()


def show_heading(job: Job) -> None:
    """The way back, and the file's name."""
    with st.container(gap=None):
        st.button(BACK[job.kind], icon=":material/arrow_back:", type="tertiary", on_click=close_job)
        st.header(plain(job.name or "Unnamed"), anchor=False)
