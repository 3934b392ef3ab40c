"""The jobs of before, of one kind, each to open, cancel or forget."""

from collections.abc import Callable

import streamlit as st

from framesense.schemas.jobs import Job, JobKind, JobState
from ui.api import GatewayApi, GatewayError
from ui.jobs.navigation import open_job
from ui.shared import show_error
from ui.wording import ago, plain

JOBS_SHOWN = 50
BADGES = {
    JobState.QUEUED: ("Waiting", "gray"),
    JobState.RUNNING: ("Running", "blue"),
    JobState.SUCCEEDED: ("Done", "green"),
    JobState.FAILED: ("Failed", "red"),
    JobState.CANCELLED: ("Cancelled", "gray"),
}


def show_jobs(api: GatewayApi, kind: JobKind, describe: Callable[[Job], str]) -> None:
    """``describe``: what a job was asked for, in a few words."""
    jobs = api.jobs(kind)
    if not jobs:
        st.caption("None yet. They stay here for everyone who opens this page.")
    for job in jobs[:JOBS_SHOWN]:
        _show_job(api, job, describe(job))
    if len(jobs) > JOBS_SHOWN:
        st.caption(f"The newest {JOBS_SHOWN} of {len(jobs)}.")


def _show_job(api: GatewayApi, job: Job, asked: str) -> None:
    text, colour = BADGES[job.state]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"job-{job.id}"):
        with st.container(gap=None):
            st.markdown(f"**{plain(job.name or 'Unnamed')}** :{colour}-badge[{text}]")
            st.caption(f"{asked} · {ago(job.created_at)}")
        st.button("Open", key=f"open-{job.id}", on_click=open_job, args=[job.id])
        hint = "Forget this" if job.state.finished else "Cancel"
        if st.button("", icon=":material/delete:", key=f"delete-{job.id}", help=hint, type="tertiary"):
            try:
                api.delete(job.id)
            except GatewayError as error:
                show_error(error)
                return
            st.rerun()
