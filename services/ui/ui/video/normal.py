"""Marking footage as normal, for the signal ``patch``."""

from collections.abc import Sequence

import streamlit as st

from framesense.schemas.jobs import Job
from framesense.schemas.names import NAME_RULE
from framesense.schemas.novelty import Frame
from framesense.schemas.references import NewReference, TimeRange
from ui.api import GatewayApi, GatewayError
from ui.deletion import ask_deletion
from ui.shared import show_error
from ui.video.options import FRAMES_BEFORE, WANTED_REFERENCE
from ui.wording import clock, clock_digits, plain


def reference_names(api: GatewayApi) -> Sequence[str]:
    return [reference.name for reference in api.references()]


def offer_deletion(api: GatewayApi, reference: str) -> None:
    """Offer to delete the footage that the curve is compared with."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Compared with what was marked as “{plain(reference)}”.", width="content")
        if ask_deletion(f"what is marked as normal, “{reference}”", key=f"delete-normal-{reference}"):
            try:
                api.delete_reference(reference)
            except GatewayError as error:
                show_error(error)
                return
            st.session_state[WANTED_REFERENCE] = FRAMES_BEFORE
            st.rerun()


def offer_reference(api: GatewayApi, job: Job, frames: Sequence[Frame], dragged: tuple[float, float] | None) -> None:
    """Offer to name the stretch that was dragged over as normal."""
    if dragged is None or dragged == st.session_state.get(_named(job)):
        st.caption("Drag over the curve to say what is normal: everything is then compared with that stretch.")
        return
    start, end = max(0.0, dragged[0]), min(frames[-1].time, dragged[1])
    digits = clock_digits([frame.time for frame in frames])
    with st.form(f"normal-{job.id}", border=True):
        st.markdown(f"**{clock(start, digits)} to {clock(end, digits)}** is normal")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name", value="normal", max_chars=64, help="One of the same name is replaced.")
            pressed = st.form_submit_button("This is normal", type="primary", icon=":material/check:")
    if not pressed:
        return
    try:
        api.create_reference(NewReference(name=name, job=job.id, ranges=[TimeRange(start=start, end=end)]))
    except ValueError:
        st.error(f"That cannot be a name. A name has {NAME_RULE}.")
        return
    except GatewayError as error:
        show_error(error)
        return
    st.session_state[WANTED_REFERENCE] = name
    st.session_state[_named(job)] = dragged
    st.session_state[_view(job)] = curve_view(job) + 1
    st.rerun()


def curve_view(job: Job) -> int:
    """Return the number of the curve's view: another one shows all of the curve again."""
    return int(st.session_state.get(_view(job), 0))


def _view(job: Job) -> str:
    return f"view-{job.id}"


def _named(job: Job) -> str:
    """Return the session key of the stretch that was named last, which the browser may not have let go yet."""
    return f"named-normal-{job.id}"
