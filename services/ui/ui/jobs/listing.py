"""The jobs of before, of some kinds, each to open, cancel or delete."""

from collections.abc import Callable, Sequence

import streamlit as st

from framesense.schemas.jobs import Job, JobKind, JobState
from ui.api import MOST_JOBS, GatewayApi, GatewayError
from ui.deletion import ask_deletion
from ui.jobs.navigation import open_job
from ui.shared import show_error
from ui.wording import ago, plain

JOBS_SHOWN = 50
PICTURE_WIDTH = 72
BADGES = {
    JobState.QUEUED: ("Waiting", "gray"),
    JobState.RUNNING: ("Running", "blue"),
    JobState.SUCCEEDED: ("Done", "green"),
    JobState.FAILED: ("Failed", "red"),
    JobState.CANCELLED: ("Cancelled", "gray"),
}


def show_jobs(
    api: GatewayApi,
    kinds: Sequence[JobKind],
    describe: Callable[[Job], str],
    *,
    picture: Callable[[Job], str] | None = None,
    more: Callable[[Job], None] | None = None,
) -> None:
    """Show a list of jobs.

    ``describe``: what a job was asked for, in a few words. ``picture``: the URL of a small one of it. ``more``: shows
    what else can be done with it.
    """
    shown = f"jobs-shown-{'-'.join(kinds)}"
    page = api.jobs(kinds, limit=st.session_state.get(shown, JOBS_SHOWN))
    if not page.jobs:
        st.caption("None yet. They stay here for everyone who opens this page.")
    for job in page.jobs:
        _show_job(api, job, describe(job), picture(job) if picture else None, more)
    if page.next_cursor is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"The newest {len(page.jobs)} of {page.total}.")
        if len(page.jobs) < MOST_JOBS and st.button("Show more", key=f"more-{shown}"):
            st.session_state[shown] = min(MOST_JOBS, len(page.jobs) + JOBS_SHOWN)
            st.rerun()


def _show_job(api: GatewayApi, job: Job, asked: str, picture: str | None, more: Callable[[Job], None] | None) -> None:
    text, colour = BADGES[job.state]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"job-{job.id}"):
        if picture:
            st.image(picture, width=PICTURE_WIDTH)
        with st.container(gap=None):
            st.markdown(f"**{plain(job.name or 'Unnamed')}** :{colour}-badge[{text}]")
            st.caption(f"{plain(asked)} · {ago(job.created_at)}")
        if more:
            more(job)
        st.button("Open", key=f"open-{job.id}", on_click=open_job, args=[job.id])
        if _ask_end(job):
            try:
                api.delete(job.id)
            except GatewayError as error:
                show_error(error)
                return
            st.rerun()


def _ask_end(job: Job) -> bool:
    """Offer to delete a job that has ended, or to cancel one that has not."""
    if job.state.finished:
        return ask_deletion(f"“{job.name or 'Unnamed'}” and what was found", key=f"delete-{job.id}")
    return st.button("", icon=":material/close:", key=f"cancel-{job.id}", help="Cancel", type="tertiary")
