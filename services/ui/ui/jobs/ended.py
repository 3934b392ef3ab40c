"""A job that came to no result."""

import streamlit as st

from framesense.schemas.jobs import Job, JobState
from ui.jobs.navigation import show_heading
from ui.wording import plain


def show_ended(job: Job) -> None:
    show_heading(job)
    if job.state is JobState.CANCELLED:
        st.info("This analysis was cancelled.", icon=":material/cancel:")
    elif job.error:
        st.error(f"**{plain(job.error.title)}**  \n{plain(job.error.detail)}", icon=":material/error:")
    else:
        st.error("This analysis failed.", icon=":material/error:")
