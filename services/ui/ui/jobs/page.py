"""A page about one kind of job: its start, or the job that the address names (``?job=``), in whatever state it is."""

from collections.abc import Callable

import streamlit as st

from framesense.schemas.jobs import Job, JobKind, JobState
from ui.api import GatewayApi, GatewayError
from ui.jobs.ended import show_ended
from ui.jobs.navigation import BACK, close_job
from ui.jobs.progress import show_progress
from ui.settings import UiSettings
from ui.shared import browser_gateway_url, gateway_api, show_error


def show_job_page(
    kind: JobKind,
    *,
    start: Callable[[GatewayApi, str], None],
    result: Callable[[GatewayApi, str, Job], None],
) -> None:
    """``start`` and ``result`` get the gateway, its address in the browser and, for a result, the job."""
    settings = UiSettings()
    api, public = gateway_api(settings.gateway_url), browser_gateway_url(settings)
    job_id = st.query_params.get("job")
    try:
        if not job_id:
            start(api, public)
            return
        job = api.job(job_id)
        if job.state is JobState.SUCCEEDED:
            result(api, public, job)
        elif job.state.finished:
            show_ended(job)
        else:
            show_progress(api, job)
    except GatewayError as error:
        show_error(error)
        if job_id:
            st.button(BACK[kind], icon=":material/arrow_back:", on_click=close_job)
