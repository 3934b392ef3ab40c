"""A job that waits or runs: its place in the queue, what is done, time left, cancel."""

import time
from collections import deque
from collections.abc import Callable, Sequence

import streamlit as st

from framesense.schemas.jobs import Job, JobState
from framesense.wording import counted
from ui.api import GatewayApi, GatewayError
from ui.jobs.navigation import show_heading
from ui.shared import show_error
from ui.wording import plain, span

REFRESH = 0.7
"""Seconds between two looks at a job."""
LOOKS = 60
"""Looks that the time left is reckoned from: the last 40 seconds or so."""
SEEN = "progress-seen"
Look = tuple[float, int]
"""When a job was looked at, in seconds since 1970, and how much was done."""
Watch = Callable[[GatewayApi, Job], None]
"""Shows what a running job has come to so far."""


def show_progress(api: GatewayApi, job: Job, watch: Watch | None = None) -> None:
    show_heading(job)
    _follow(api, job.id, watch)
    st.caption("You may close this page: the work goes on, and its address leads back here.")


@st.fragment(run_every=REFRESH)
def _follow(api: GatewayApi, job_id: str, watch: Watch | None) -> None:
    try:
        job = api.job(job_id)
    except GatewayError as error:
        show_error(error)
        return
    if job.state.finished:
        st.rerun()
    progress = job.progress
    share = progress.done / progress.total if progress.total else 0.0
    st.progress(min(1.0, share), text=progress_text(job, _seconds_each(job)))
    if job.warning:
        st.warning(plain(job.warning), icon=":material/warning:")
    if st.button("Cancel", icon=":material/close:"):
        try:
            api.delete(job_id)
        except GatewayError as error:
            show_error(error)
            return
        st.rerun()
    if watch:
        watch(api, job)


def _seconds_each(job: Job) -> float | None:
    """Return how long one takes, from what was seen of this job lately."""
    kept = st.session_state.get(SEEN)
    if not kept or kept[0] != job.id:
        start = [(job.started_at.timestamp(), 0)] if job.started_at else []
        kept = st.session_state[SEEN] = (job.id, deque[Look](start, LOOKS))
    looks: deque[Look] = kept[1]
    looks.append((time.time(), job.progress.done))
    return seconds_each(looks)


def seconds_each(looks: Sequence[Look]) -> float | None:
    """Return the seconds that one takes, from the first of some looks to the last; None where nothing was done.

    Lately, and not since the start: what came first, such as loading a model, tells nothing of what is left.
    """
    if not looks:
        return None
    (first, before), (last, after) = looks[0], looks[-1]
    return (last - first) / (after - before) if after > before else None


def progress_text(job: Job, seconds: float | None) -> str:
    """Say how far a job is: ``Captioning frames · 120 of 600 · 40 s left``.

    ``seconds``: what one takes, None where that is not known.
    """
    if job.state is JobState.QUEUED:
        return _waiting_text(job.queue_position)
    progress = job.progress
    message = progress.message or "Starting"
    parts = [plain(message[0].upper() + message[1:])]
    if not progress.total:
        return " · ".join([*parts, f"{progress.done} done"] if progress.done else parts)
    parts.append(f"{progress.done} of {progress.total}")
    if seconds is not None and progress.done < progress.total:
        parts.append(f"{span(seconds * (progress.total - progress.done))} left")
    return " · ".join(parts)


def _waiting_text(before: int | None) -> str:
    """Say that a job waits; ``before``: how many jobs come first, where that is known."""
    if not before:
        return "Waiting for a free worker"
    return f"Waiting: {counted(before, 'job comes', 'jobs come')} first"
