"""A page about some kinds of job: its start, or the job that the address names (``?job=``), in whatever state it is."""

from collections.abc import Callable, Sequence

import streamlit as st

from framesense.schemas.jobs import Job, JobKind, JobState
from ui.api import GatewayApi, GatewayError
from ui.jobs.navigation import PLACES, close_job, show_elsewhere, show_heading
from ui.jobs.progress import Watch, show_progress
from ui.settings import UiSettings
from ui.shared import browser_gateway_url, gateway_api, show_error
from ui.wording import plain


def show_job_page(
    kinds: Sequence[JobKind],
    *,
    start: Callable[[GatewayApi, str], None],
    result: Callable[[GatewayApi, str, Job], None],
    watch: Watch | None = None,
    ended: Callable[[Job], None] | None = None,
) -> None:
    """Show the page of some kinds of job: how to start one, one that runs, or the result of one.

    ``start`` and ``result`` get the gateway, its address in the browser and, for a result, the job. ``watch`` shows
    more of a job that runs than how far it is; ``ended`` more of one that came to nothing.
    """
    settings = UiSettings()
    api, public = gateway_api(settings.gateway_url), browser_gateway_url(settings)
    job_id = st.query_params.get("job")
    try:
        if not job_id:
            start(api, public)
            return
        job = api.job(job_id)
        if job.kind not in kinds:
            show_elsewhere(job)
        elif job.state is JobState.SUCCEEDED:
            result(api, public, job)
        elif job.state.finished:
            _show_ended(job)
            if ended:
                ended(job)
        else:
            show_progress(api, job, watch)
    except GatewayError as error:
        show_error(error)
        if job_id:
            st.button(PLACES[kinds[0]].back, icon=":material/arrow_back:", on_click=close_job)


def _show_ended(job: Job) -> None:
    show_heading(job)
    thing = PLACES[job.kind].work
    if job.state is JobState.CANCELLED:
        st.info(f"This {thing} was cancelled.", icon=":material/cancel:")
    elif job.error:
        st.error(f"**{plain(job.error.title)}**  \n{plain(job.error.detail)}", icon=":material/error:")
    else:
        st.error(f"This {thing} failed.", icon=":material/error:")
