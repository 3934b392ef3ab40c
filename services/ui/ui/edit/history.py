"""The edits of before, each with its picture, to open or to go on from."""

import streamlit as st

from framesense.schemas.jobs import Job, JobKind, JobState
from ui.api import GatewayApi
from ui.edit.pictures import small_picture
from ui.edit.reuse import submitted_parameters, use_job_settings
from ui.edit.words import settings_text, what_text
from ui.jobs.listing import Entry, show_jobs

KINDS = (JobKind.EDIT, JobKind.EDIT_SERIES)
THUMBNAIL = 96


def show_history(api: GatewayApi) -> None:
    def describe(job: Job) -> Entry:
        return Entry(_summary(job), small_picture(api, _picture_path(job), THUMBNAIL))

    def more(job: Job) -> None:
        if not submitted_parameters(job).task.restores:
            used = st.button(
                "Use these settings",
                key=f"settings-{job.id}",
                icon=":material/tune:",
                on_click=use_job_settings,
                args=[api, job],
            )
            if used:
                st.rerun()  # all of the page: by itself a click runs the list again, and nothing else

    show_jobs(api, KINDS, describe, more=more)


def _picture_path(job: Job) -> str | None:
    if job.state is not JobState.SUCCEEDED:
        return None
    sheet = job.kind is JobKind.EDIT_SERIES
    return f"/jobs/{job.id}/contact-sheet.png" if sheet else f"/jobs/{job.id}/images/0.png"


def _summary(job: Job) -> str:
    parameters = submitted_parameters(job)
    series = "series · " if job.kind is JobKind.EDIT_SERIES else ""
    return f"{series}{what_text(parameters)} · {settings_text(parameters)}"
