"""Analysing a video again, which needs no second upload."""

import streamlit as st

from framesense.schemas.jobs import Job
from framesense.schemas.novelty import VideoParameters
from ui.api import GatewayApi, GatewayError
from ui.jobs.navigation import open_job
from ui.shared import show_error


def offer_analysis(api: GatewayApi, job: Job, parameters: VideoParameters, why: str) -> None:
    """Say why one may want another analysis, beside the button that starts it and goes there."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(why, icon=":material/refresh:")
        if st.button("Analyse again", type="primary", key=f"again-{job.id}-{why}"):
            try:
                with st.spinner("Starting …"):
                    again = api.analyse_again(job, parameters)
            except GatewayError as error:
                show_error(error)
                return
            open_job(again.id)
            st.rerun()
