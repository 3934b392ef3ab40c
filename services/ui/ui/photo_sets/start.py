"""A new set: send photos, a folder or a zip, say what to look for, start. Beside it, the sets of before."""

import streamlit as st

from framesense.media.archives import IMAGE_SUFFIXES
from framesense.schemas.jobs import Job, JobKind
from framesense.schemas.photo_sets import PhotoSetParameters
from framesense.wording import counted
from ui import examples
from ui.api import GatewayApi, GatewayError
from ui.components import upload_file
from ui.jobs.listing import Entry, show_jobs
from ui.jobs.navigation import open_job
from ui.photo_sets.options import ask_parameters
from ui.shared import show_error, warn_of_missing, warn_unless_ready

ACCEPTED = ",".join([".zip", "application/zip", *sorted(IMAGE_SUFFIXES), ".csv"])


def show_start(api: GatewayApi, public: str) -> None:
    """Show how to start a job. ``public``: the gateway's address in the browser, where the photos are sent."""
    st.title("Tag a whole set of photos", anchor=False)
    st.markdown(
        "Send photos: a few, a folder or a zip. Each is tagged in your own words, and you learn how the set is made: "
        "how balanced, how varied, what is there twice, and what belongs together.",
        width=720,
    )
    warn_unless_ready(api)
    warn_of_missing(api, "queue dataset")
    new, earlier = st.columns([3, 2], gap="large")
    with new:
        _show_new(api, public)
    with earlier:
        st.header("Earlier photo sets", anchor=False)
        show_jobs(api, [JobKind.PHOTO_SET], _asked)


def _show_new(api: GatewayApi, public: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("New set", anchor=False)
        example = st.button("Try the example", icon=":material/lightbulb:")
    upload = upload_file(
        endpoint=f"{public}/uploads",
        largest=api.largest_photo_set(),
        accept=ACCEPTED,
        invitation="Choose photos or a zip of them",
        key=f"photo-set-{st.session_state.get('sets_started', 0)}",
        photos=IMAGE_SUFFIXES,
    )
    st.caption("Sub-folders are compared as groups; or put a groups.csv with a column `photo` among the photos.")
    parameters = ask_parameters(api)
    # never disabled: a box passes on what was typed only when it is left, and the click on this button leaves it
    start = st.button("Start", type="primary", icon=":material/play_arrow:")
    try:
        if example:
            words = [*examples.LABELS, *examples.SHAPES]
            asked = PhotoSetParameters(labels=words, near_duplicate=examples.NEAR_DUPLICATE)
            _open(api.tag_set("example.zip", examples.photo_set(), asked))
        elif start and upload and parameters:
            _open(api.tag_uploaded_set(upload.id, parameters))
        elif start:
            missing = "Choose photos first." if upload is None else "Write the words to look for."
            st.warning(missing, icon=":material/info:")
    except GatewayError as error:
        show_error(error)


def _open(job: Job) -> None:
    st.session_state["sets_started"] = st.session_state.get("sets_started", 0) + 1
    open_job(job.id)
    st.rerun()


def _asked(job: Job) -> Entry:
    parameters = PhotoSetParameters.model_validate(job.parameters)
    return Entry(parameters.label_set or counted(len(parameters.labels), "label"))
