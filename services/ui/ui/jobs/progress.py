"""A job that waits or runs: its place in the queue, what is done, time left, cancel."""

from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

from framesense.schemas.jobs import Job, JobState
from ui.api import GatewayApi, GatewayError
from ui.jobs.navigation import show_heading
from ui.shared import show_error
from ui.wording import plain, span

REFRESH = 0.7
"""Seconds between two looks at a job."""
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
    st.progress(min(1.0, share), text=progress_text(job, datetime.now(UTC)))
    if st.button("Cancel", icon=":material/close:"):
        try:
            api.delete(job_id)
        except GatewayError as error:
            show_error(error)
            return
        st.rerun()
    if watch:
        watch(api, job)


def progress_text(job: Job, now: datetime) -> str:
    """Say how far a job is: ``Captioning frames · 120 of 600 · 40 s left``."""
    if job.state is JobState.QUEUED:
        return _waiting_text(job.queue_position)
    progress = job.progress
    message = progress.message or "Starting"
    parts = [plain(message[0].upper() + message[1:])]
    if not progress.total:
        return " · ".join([*parts, f"{progress.done} done"] if progress.done else parts)
    parts.append(f"{progress.done} of {progress.total}")
    if job.started_at and 0 < progress.done < progress.total:
        pace = (now - job.started_at).total_seconds() / progress.done
        parts.append(f"{span(pace * (progress.total - progress.done))} left")
    return " · ".join(parts)


def _waiting_text(before: int | None) -> str:
    """Say that a job waits; ``before``: how many jobs come first, where that is known."""
    if not before:
        return "Waiting for a free worker"
    return "Waiting: 1 job comes first" if before == 1 else f"Waiting: {before} jobs come first"
