"""A job that came to no result."""

import streamlit as st

from framesense.schemas.jobs import Job, JobState
from ui.jobs.navigation import PLACES, show_heading
from ui.wording import plain


def show_ended(job: Job) -> None:
    show_heading(job)
    thing = PLACES[job.kind].work
    if job.state is JobState.CANCELLED:
        st.info(f"This {thing} was cancelled.", icon=":material/cancel:")
    elif job.error:
        st.error(f"**{plain(job.error.title)}**  \n{plain(job.error.detail)}", icon=":material/error:")
    else:
        st.error(f"This {thing} failed.", icon=":material/error:")
