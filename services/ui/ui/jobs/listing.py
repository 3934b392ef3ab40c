"""The jobs of before, of some kinds: found by name, page by page, each to open, cancel or delete."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from framesense.schemas.jobs import Job, JobKind, JobState
from ui.api import MOST_JOBS, GatewayApi, GatewayError
from ui.deletion import ask_deletion
from ui.jobs.navigation import open_job
from ui.shared import show_error
from ui.wording import ago, plain

PAGE = 10
"""Jobs shown at once."""
REFRESH = 2.0
"""Seconds between two looks at a list that has unfinished jobs."""
PICTURE_WIDTH = 72
BADGES = {
    JobState.QUEUED: ("Waiting", "gray"),
    JobState.RUNNING: ("Running", "blue"),
    JobState.SUCCEEDED: ("Done", "green"),
    JobState.FAILED: ("Failed", "red"),
    JobState.CANCELLED: ("Cancelled", "gray"),
}


@dataclass(frozen=True)
class Entry:
    """What a list tells of a job: what it was asked for or has found, in a few words, and the URL of a picture."""

    text: str
    picture: str | None = None


def show_jobs(
    api: GatewayApi,
    kinds: Sequence[JobKind],
    describe: Callable[[Job], Entry],
    *,
    more: Callable[[Job], None] | None = None,
) -> None:
    """Show a list of jobs, which follows those that wait or run. ``more``: shows what else can be done with one."""
    name = "-".join(kinds)
    count = api.jobs(kinds, limit=1).total
    words = ""
    if count > PAGE:
        words = st.text_input("Find by name", key=f"jobs-words-{name}", placeholder="part of a name", width=320).strip()
    jobs = _named(api.jobs(kinds, limit=MOST_JOBS if count > PAGE else PAGE).jobs, words)
    pages = -(-len(jobs) // PAGE)
    place = st.container()
    # Below the list, but read before it.
    number = st.pagination(pages, key=f"jobs-page-{name}-{words}") if pages > 1 else 1
    if count > MOST_JOBS:
        st.caption(f"The newest {MOST_JOBS} of {count}.")
    shown = jobs[(number - 1) * PAGE : number * PAGE]
    with place:
        if not shown:
            st.caption(f"None is called “{plain(words)}”." if words else "None yet.")
        run_every = None if all(job.state.finished for job in shown) else REFRESH
        st.fragment(_show_jobs, run_every=run_every)(api, shown, describe, more)


def _named(jobs: Sequence[Job], words: str) -> list[Job]:
    """Return the jobs whose name has all of some words, whatever their case."""
    return [job for job in jobs if all(word in job.name.casefold() for word in words.casefold().split())]


def _show_jobs(
    api: GatewayApi, jobs: Sequence[Job], describe: Callable[[Job], Entry], more: Callable[[Job], None] | None
) -> None:
    """Show jobs as they are now; all of the page anew when the last of them has come to its end, or one is gone."""
    try:
        now = [job if job.state.finished else api.job(job.id) for job in jobs]
    except GatewayError:
        st.rerun()
    for job in now:
        _show_job(api, job, describe(job), more)
    if [job.state for job in now] != [job.state for job in jobs] and all(job.state.finished for job in now):
        st.rerun()


def _show_job(api: GatewayApi, job: Job, entry: Entry, more: Callable[[Job], None] | None) -> None:
    text, colour = BADGES[job.state]
    name = job.name or "Unnamed"
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"job-{job.id}"):
        if entry.picture:
            st.image(entry.picture, width=PICTURE_WIDTH, alt="")
        with st.container(gap=None):
            if st.button(plain(name), key=f"open-{job.id}", type="tertiary"):
                open_job(job.id)
                st.rerun()  # all of the page: by itself a click runs the list again, and nothing else
            st.caption(f":{colour}-badge[{text}] {plain(entry.text)} · {ago(job.created_at)}")
        if more:
            more(job)
        if _ask_end(job, name):
            try:
                api.delete(job.id)
            except GatewayError as error:
                show_error(error)
                return
            st.rerun()


def _ask_end(job: Job, name: str) -> bool:
    """Offer to delete a job that has ended, or to cancel one that has not."""
    if job.state.finished:
        return ask_deletion(f"“{name}” and what was found", key=f"delete-{job.id}")
    label = f"Cancel “{plain(name)}”"
    return st.button(label, icon=":material/close:", key=f"cancel-{job.id}", help="Cancel", type="tertiary")
