"""The settings of an edit as widgets. They live in the session, so that a result or another tab can fill them in."""

import random
from collections.abc import Collection
from typing import Any

import streamlit as st

from framesense.schemas.edits import (
    MAX_GUIDANCE,
    MAX_IMAGES,
    MAX_PROMPT,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    EditorCapabilities,
    EditParameters,
    Fit,
    Preserve,
    Task,
)
from ui.widget_state import reset_value, restore_value, set_value

LEAST_STRENGTH, LEAST_SIDE = 0.05, 8
STRENGTH_HELP = "How far the photo may change. Low keeps what is there; at 1 only the words count."
STEPS_HELP = "More steps are slower and mostly a little better. The photo is taken through strength × steps of them."
GUIDANCE_HELP = "How strictly the words are followed. High values make colours and contrasts hard."
SEED_HELP = "The same seed and settings give the same picture. Empty: another one each time."
PRESERVE_HELP = """What stays out of it is kept as it is.

- **All of it**: nothing is kept as it is.
- **What the words name**: the model looks for it in the photo.
- **What I paint**: what you mark in the photo with a brush.
"""
NEGATIVE_HELP = "What the picture should not show."
SIZE_HELP = "Pixels. Empty: as the photo."
FIT_HELP = "How the photo comes to another width and height."
BLUR_HELP = "How softly what changes passes into what is kept, in pixels."
PRESERVE_NAMES = {
    Preserve.NONE: "All of it",
    Preserve.AUTO: "What the words name",
    Preserve.MASK: "What I paint",
}
FIT_NAMES = {
    Fit.FIT: "Whole, in its own shape",
    Fit.CROP: "Filling, cut at the sides",
    Fit.FILL: "Whole, blurred edges",
}

_FIELDS = (
    "prompt",
    "negative_prompt",
    "strength",
    "steps",
    "guidance_scale",
    "seed",
    "scheduler",
    "width",
    "height",
    "fit",
    "preserve",
    "mask_blur",
    "images",
)


def key_of(field: str) -> str:
    """Return the session key of a field of EditParameters."""
    return f"edit-form-{field}"


def keep_form(capabilities: EditorCapabilities) -> None:
    """Restore the values of the form. To be called before any of its widgets."""
    offered = _offered(capabilities)
    for field, default in _defaults(capabilities).items():
        value = restore_value(key_of(field), default)
        if field in offered and value not in offered[field]:  # settings of another model's picture
            reset_value(key_of(field))
            restore_value(key_of(field), default)


def load_settings(parameters: EditParameters) -> None:
    """Fill in the form. Not to be called after its widgets in the same run; what is None becomes the model's own."""
    for field in _FIELDS:
        value = getattr(parameters, field)
        if value is None and field not in ("seed", "width", "height"):
            reset_value(key_of(field))
        else:
            set_value(key_of(field), max(LEAST_STRENGTH, value) if field == "strength" else value)


def settings(task: Task, *, masked: bool, prompt: str | None = None) -> EditParameters:
    """Return the form's parameters. Raises pydantic's ValidationError, a ValueError.

    ``masked``: whether there is one photo to paint on; without, nothing can be kept. ``prompt``: instead of the form's.
    """
    values = {field: st.session_state[key_of(field)] for field in _FIELDS}
    if prompt is not None:
        values["prompt"] = prompt
    if not masked:
        values["preserve"] = Preserve.NONE
    if values["width"] is None and values["height"] is None:
        values["fit"] = Fit.FIT
    return EditParameters(task=task, **values)


def chosen_preserve() -> Preserve:
    return Preserve(st.session_state[key_of("preserve")])


def ask_words() -> None:
    st.text_area(
        "What the picture should show",
        key=key_of("prompt"),
        height=68,
        max_chars=MAX_PROMPT,
        placeholder="a bedroom at night",
    )


def ask_preserve(capabilities: EditorCapabilities) -> None:
    st.segmented_control(
        "What may change",
        capabilities.preserve,
        format_func=PRESERVE_NAMES.__getitem__,
        help=PRESERVE_HELP,
        key=key_of("preserve"),
        required=True,
    )


def ask_settings(capabilities: EditorCapabilities, *, without: Collection[str] = (), several: bool = True) -> None:
    """Show the settings. ``without``: fields to leave out. ``several``: whether several pictures may be made."""
    if "strength" not in without:
        st.slider("Strength", LEAST_STRENGTH, 1.0, step=0.05, help=STRENGTH_HELP, key=key_of("strength"))
    if "steps" not in without:
        st.slider("Steps", 1, MAX_STEPS, help=STEPS_HELP, key=key_of("steps"))
    if "guidance_scale" not in without:
        st.slider("Guidance", 0.0, MAX_GUIDANCE, step=0.5, help=GUIDANCE_HELP, key=key_of("guidance_scale"))
    if "seed" not in without:
        _ask_seed()
    with st.expander("More"):
        st.text_input("Negative words", key=key_of("negative_prompt"), max_chars=MAX_PROMPT, help=NEGATIVE_HELP)
        with st.container(horizontal=True):
            if "scheduler" not in without:
                _ask_scheduler(capabilities)
            if several:
                st.number_input(
                    "Pictures", 1, MAX_IMAGES, key=key_of("images"), width=125, help="Each with its own seed."
                )
            st.number_input("Soft edge", 0.0, 64.0, step=1.0, key=key_of("mask_blur"), help=BLUR_HELP, width=125)
        with st.container(horizontal=True):
            for field, label in (("width", "Width"), ("height", "Height")):
                st.number_input(
                    label,
                    LEAST_SIDE,
                    MAX_SIDE,
                    None,
                    key=key_of(field),
                    help=SIZE_HELP,
                    placeholder="photo's",
                    width=120,
                )
            st.selectbox(
                "Fit", list(Fit), format_func=FIT_NAMES.__getitem__, key=key_of("fit"), help=FIT_HELP, width=190
            )


def _ask_seed() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Seed", 0, MAX_SEED, None, 1, key=key_of("seed"), help=SEED_HELP, placeholder="any", width=200)
        st.button("Roll", icon=":material/casino:", on_click=_roll, help="Another seed, which stays until changed.")


def _roll() -> None:
    set_value(key_of("seed"), random.randrange(MAX_SEED + 1))


def _ask_scheduler(capabilities: EditorCapabilities) -> None:
    names = {scheduler.name: scheduler.title for scheduler in capabilities.schedulers}
    st.selectbox("Scheduler", list(names), format_func=names.__getitem__, key=key_of("scheduler"), width=160)


def _offered(capabilities: EditorCapabilities) -> dict[str, Collection[Any]]:
    return {
        "scheduler": [scheduler.name for scheduler in capabilities.schedulers],
        "preserve": capabilities.preserve,
    }


def _defaults(capabilities: EditorCapabilities) -> dict[str, Any]:
    """Return the default of each field, the model's own where it has one."""
    parameters = EditParameters(prompt="-")
    values: dict[str, Any] = {field: getattr(parameters, field) for field in _FIELDS}
    values |= {
        "prompt": "",
        "steps": capabilities.default_steps,
        "guidance_scale": capabilities.default_guidance_scale,
        "scheduler": capabilities.default_scheduler,
        "preserve": Preserve.NONE,
    }
    return values
