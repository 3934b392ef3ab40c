"""Find the odd moments of a video. ``?job=`` names the one that is shown, so that a result has an address."""

import streamlit as st

from framesense.schemas.jobs import JobState
from ui.api import GatewayError
from ui.jobs.ended import show_ended
from ui.jobs.progress import show_progress
from ui.settings import UiSettings
from ui.shared import browser_gateway_url, gateway_api, show_error
from ui.video.result import show_result
from ui.video.start import show_start

settings = UiSettings()
api = gateway_api(settings.gateway_url)
public = browser_gateway_url(settings)
job_id = st.query_params.get("job")

try:
    if not job_id:
        show_start(api, public)
    else:
        job = api.job(job_id)
        if job.state is JobState.SUCCEEDED:
            show_result(api, public, job)
        elif job.state.finished:
            show_ended(job)
        else:
            show_progress(api, job)
except GatewayError as error:
    show_error(error)
    if job_id and st.button("Back to all videos", icon=":material/arrow_back:"):
        st.query_params.clear()
        st.rerun()
