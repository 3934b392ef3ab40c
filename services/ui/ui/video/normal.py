"""Marking footage as normal, for the signal ``patch``."""

from collections.abc import Sequence

import streamlit as st

from framesense.schemas.jobs import Job
from framesense.schemas.references import NewReference, TimeRange
from ui.api import GatewayApi, GatewayError
from ui.shared import show_error
from ui.wording import clock


def reference_names(api: GatewayApi) -> Sequence[str]:
    return [reference.name for reference in api.references()]


def offer_reference(api: GatewayApi, job: Job, last: float, dragged: tuple[float, float] | None) -> None:
    """Offer to name the stretch that was dragged over as normal. ``last``: the last frame's time in seconds."""
    if dragged is None:
        st.caption("Drag over the curve to say what is normal: everything is then compared with that stretch.")
        return
    start, end = max(0.0, dragged[0]), min(last, dragged[1])
    with st.form(f"normal-{job.id}", border=True):
        st.markdown(f"**{clock(start)} to {clock(end)}** is normal")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input("Name", value="normal", max_chars=64, help="One of the same name is replaced.")
            pressed = st.form_submit_button("This is normal", type="primary", icon=":material/check:")
    if not pressed:
        return
    try:
        api.create_reference(NewReference(name=name, job=job.id, ranges=[TimeRange(start=start, end=end)]))
    except ValueError:
        st.error("A name has letters, digits, - and _ only, and begins with a letter or a digit.")
        return
    except GatewayError as error:
        show_error(error)
        return
    st.session_state[f"wanted-reference-{job.id}"] = name
    st.rerun()
