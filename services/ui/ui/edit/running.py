"""An edit under way: what it looks like so far."""

import streamlit as st

from framesense.schemas.edits import Preserve
from framesense.schemas.jobs import Job, JobState
from ui.api import GatewayApi, GatewayError
from ui.edit.reuse import submitted_parameters
from ui.edit.words import settings_text, what_text
from ui.thumbnails import jpeg_url
from ui.wording import plain

PREVIEW_WIDTH = 512


def watch_edit(api: GatewayApi, job: Job) -> None:
    parameters = submitted_parameters(job)
    st.caption(plain(f"{what_text(parameters)} · {settings_text(parameters)}"))
    if job.state is not JobState.RUNNING:
        return
    try:
        preview = api.edit_preview(job.id)
    except GatewayError:  # the next look may find it
        preview = None
    if preview:
        kept = parameters.preserve not in (None, Preserve.NONE)
        caption = "So far, as the model sees it" + ("; what is to stay is put back at the end" if kept else "")
        st.image(jpeg_url(preview), caption=caption, width=PREVIEW_WIDTH, alt="The picture so far")
