"""From job to job: the one that is shown is named in its page's address."""

from dataclasses import dataclass

import streamlit as st

from framesense.schemas.jobs import Job, JobKind
from ui.pages import page_of, set_title
from ui.wording import plain


@dataclass(frozen=True)
class JobPlace:
    """The page that shows a kind of job: its script, what the job is about, what is done with that, the way back."""

    script: str
    thing: str
    work: str
    back: str


_EDITS = JobPlace("edit/page.py", "edit", "edit", "Back to editing")
PLACES = {
    JobKind.VIDEO: JobPlace("video/page.py", "video", "analysis", "All videos"),
    JobKind.PHOTO_SET: JobPlace("photo_sets/page.py", "photo set", "analysis", "All photo sets"),
    JobKind.EDIT: _EDITS,
    JobKind.EDIT_SERIES: _EDITS,
}


def open_job(job_id: str) -> None:
    st.query_params["job"] = job_id


def close_job() -> None:
    """Go back to the list. What else is in the address belongs to widgets, and goes with them."""
    st.query_params.pop("job", None)
    st.query_params.pop("t", None)


def show_way_back(kind: JobKind) -> None:
    st.button(PLACES[kind].back, icon=":material/arrow_back:", type="tertiary", on_click=close_job)


def show_heading(job: Job) -> None:
    """Show the way back, and the file's name, which the browser's tab has too."""
    set_title(job.name or "Unnamed", page_of(PLACES[job.kind].script).title)
    with st.container(gap=None):
        show_way_back(job.kind)
        st.title(plain(job.name or "Unnamed"), anchor=False)


def show_elsewhere(job: Job) -> None:
    """Show that another page shows this job, and the way there."""
    place = PLACES[job.kind]
    article = "an" if place.thing[0] in "aeiou" else "a"
    st.info(
        f"**{plain(job.name or 'This job')}** is {article} {place.thing}: another page shows it.",
        icon=":material/info:",
    )
    st.page_link(
        place.script, label=f"Open this {place.thing}", icon=":material/arrow_forward:", query_params={"job": job.id}
    )
