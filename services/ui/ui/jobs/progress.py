"""A job that waits or runs: frames done, time left, cancel."""

from datetime import UTC, datetime

import streamlit as st

from framesense.schemas.jobs import Job, JobState
from ui.api import GatewayApi, GatewayError
from ui.jobs.navigation import show_heading
from ui.shared import show_error
from ui.wording import plain, span

REFRESH = 0.7
"""Seconds between two looks at a job."""


def show_progress(api: GatewayApi, job: Job) -> None:
    show_heading(job)
    _follow(api, job.id)
    st.caption("You may close this page: the work goes on, and its address leads back here.")


@st.fragment(run_every=REFRESH)
def _follow(api: GatewayApi, job_id: str) -> None:
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


def progress_text(job: Job, now: datetime) -> str:
    """``Captioning frames · 120 of 600 · 40 s left``."""
    if job.state is JobState.QUEUED:
        return "Waiting for a free worker"
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
