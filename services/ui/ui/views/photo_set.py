"""Tag a zip of photos and learn how the set is made. ``?job=`` names the one that is shown."""

import streamlit as st

from framesense.schemas.jobs import JobState
from ui.api import GatewayError
from ui.jobs.ended import show_ended
from ui.jobs.navigation import close_job
from ui.jobs.progress import show_progress
from ui.photoset.report import show_report
from ui.photoset.start import show_start
from ui.settings import UiSettings
from ui.shared import browser_gateway_url, gateway_api, show_error

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
            show_report(api, public, job)
        elif job.state.finished:
            show_ended(job)
        else:
            show_progress(api, job)
except GatewayError as error:
    show_error(error)
    if job_id:
        st.button("Back to all photo sets", icon=":material/arrow_back:", on_click=close_job)
