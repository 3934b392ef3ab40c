"""Restoration: less noise, more pixels."""

import streamlit as st

from framesense.schemas.edits import EditorCapabilities, EditParameters, Task
from framesense.schemas.jobs import Job
from ui.api import GatewayApi
from ui.edit.photo import ask_photo
from ui.edit.photo_input import require_photo

NAMES = {
    Task.DENOISE: "Remove noise",
    Task.UPSCALE_X2: "Twice as large",
    Task.UPSCALE_X4: "Four times as large",
}
STRENGTH_HELP = "How much is smoothed away. High takes fine detail with it."


def ask_restoration(api: GatewayApi, capabilities: EditorCapabilities) -> Job | None:
    """Return the job that was started, if one was. Raises GatewayError and ValueError."""
    tasks = [task for task in NAMES if task in capabilities.tasks]
    if not tasks:
        st.info("The model that is loaded restores nothing.", icon=":material/info:")
        return None
    left, right = st.columns([1, 1], gap="large")
    with left:
        shown = ask_photo()
        if shown:
            st.image(shown.address, alt="The photo")
    with right:
        task = st.radio("Restoration", tasks, format_func=NAMES.__getitem__, key="edit-restore-task")
        strength = 0.5
        if task is Task.DENOISE:
            strength = st.slider("Strength", 0.05, 1.0, 0.5, 0.05, help=STRENGTH_HELP, key="edit-restore-strength")
        st.caption("The result says how it was made: by the diffusion model where it can, else by a classical method.")
        pressed = st.button("Restore", type="primary", icon=":material/auto_fix_high:")
    if not pressed:
        return None
    photo = require_photo(shown)
    return api.edit(photo, EditParameters(task=Task(task), strength=strength), None)
