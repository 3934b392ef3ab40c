"""Take the settings of a result, or its picture, back to the form.

All of it as callbacks, since a widget's value can be set only before the page shows it.
"""

import base64

import streamlit as st

from framesense.schemas.edits import EditedImage, EditParameters, Preserve, Task
from framesense.schemas.jobs import Job, JobKind, JobState
from framesense.schemas.problems import Problem
from ui import examples
from ui.api import GatewayApi, GatewayError, Photo
from ui.edit.form import load_settings
from ui.edit.photo import photo_in_hand, take_photo
from ui.jobs.navigation import close_job, open_job
from ui.shared import show_error
from ui.widget_state import set_value

TAB, EDIT = "edit-tab", "Edit"
"""The key of the tabs, and the name of the first."""
_ERROR = "edit-reuse-error"


def use_image_settings(api: GatewayApi, image: EditedImage) -> None:
    """Fill the form with the settings of one picture, and take its photo."""
    try:
        _take_photo_of(api, image)
    except GatewayError as error:
        _remember(error.problem)
    _show_form(image.parameters)


def use_job_settings(api: GatewayApi, job: Job) -> None:
    """Fill the form with the settings of the first picture, which have every default filled in; else with the job's."""
    try:
        if job.state is JobState.SUCCEEDED:
            result = api.edit_result(job.id)
            image = result.images[result.best or 0]
            _take_photo_of(api, image)
            _show_form(image.parameters)
            return
    except GatewayError as error:
        _remember(error.problem)
    _show_form(submitted_parameters(job))


def edit_further(api: GatewayApi, image: EditedImage, name: str) -> None:
    """Take the edited picture for the photo, with the settings that made it."""
    try:
        take_photo(Photo(name, "image/png", api.picture(image.image_url or "")))
    except GatewayError as error:
        _remember(error.problem)
        return
    _show_form(image.parameters.model_copy(update={"preserve": Preserve.NONE}))


def try_example(api: GatewayApi) -> None:
    """Fill in the form with the example and start it."""
    photo, parameters = examples.edit()
    take_photo(photo)
    _show_form(parameters)
    try:
        open_job(api.edit(photo, parameters, None).id)
    except GatewayError as error:
        _remember(error.problem)


def show_reuse_error() -> None:
    """Show once what went wrong in a callback."""
    if problem := st.session_state.pop(_ERROR, None):
        show_error(GatewayError(problem))


def submitted_parameters(job: Job) -> EditParameters:
    fields = job.parameters["base"] if job.kind is JobKind.EDIT_SERIES else job.parameters
    return EditParameters.model_validate(fields)


def _take_photo_of(api: GatewayApi, image: EditedImage) -> None:
    """Take the photo of a picture, unless it is taken already."""
    held = photo_in_hand()
    painted = image.parameters.preserve is Preserve.MASK
    if image.photo_url is None or (held and held.name == image.photo and not painted):
        return
    data = api.picture(image.photo_url)
    mask = _data_url(api.picture(image.mask_url)) if painted and image.mask_url else None
    take_photo(Photo(image.photo or "photo.png", "image/png", data), mask)


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _show_form(parameters: EditParameters) -> None:
    close_job()
    if parameters.task is Task.EDIT:
        load_settings(parameters)
    set_value(TAB, EDIT)


def _remember(problem: Problem) -> None:
    st.session_state[_ERROR] = problem
