"""Run a request of that API as an edit job: submit it, wait for it, fetch its pictures; cancel it if its caller
leaves.
"""

import asyncio

from fastapi import Request

from framesense.edits.rules import check_capabilities
from framesense.edits.series import plan_series
from framesense.http.disconnects import unless_disconnected
from framesense.jobs.payloads import EditPayload
from framesense.jobs.store import UnknownJobError
from framesense.schemas.edits import EditorCapabilities, EditParameters, SeriesParameters
from framesense.schemas.jobs import Job, JobKind, JobState
from framesense.schemas.models import ModelInfo
from framesense.storage.edits import EditStore, PictureKind
from gateway.a1111.answers import FinishedEdit, ResultPicture
from gateway.a1111.ownership import Ownership, identities
from gateway.a1111.translation import TranslatedEdit
from gateway.dependencies import Dependencies
from gateway.edits.jobs import edit_result, submit_edit, submit_series
from gateway.edits.sources import check_counts, check_decoded
from gateway.jobs.events import wait_until_finished
from gateway.jobs.lookups import find_job, require_success
from gateway.jobs.positions import with_position


def ownership(dependencies: Dependencies) -> Ownership:
    """Return whose jobs are whose, as the caller sees it."""
    key, retention = dependencies.caller.key_id, dependencies.settings.job_retention
    return Ownership(dependencies.redis, dependencies.job, key=key, retention_seconds=retention)


def pictures_of(dependencies: Dependencies, job: Job) -> int:
    """Return how many pictures an edit job makes."""
    if job.kind is JobKind.EDIT:
        return EditParameters.model_validate(job.parameters).images
    try:
        photos = dependencies.jobs.payload(job.id, EditPayload).edit.photos
    except UnknownJobError:  # deleted meanwhile
        return 1
    return len(plan_series(SeriesParameters.model_validate(job.parameters), photos).cells)


async def run(
    request: Request, dependencies: Dependencies, edit: TranslatedEdit, capabilities: EditorCapabilities, *, task: str
) -> FinishedEdit:
    """Run an edit and return its pictures.

    Raises ProblemError: what cannot be edited so, 409 for a task's name in use, 410 for a job that was interrupted
    before its first picture, a failed job's own; ClientDisconnect.
    """
    job = await asyncio.to_thread(_submit, dependencies, edit, capabilities, identities(request)[0], task)
    try:
        finished = await unless_disconnected(request, wait_until_finished(dependencies.events, job.id))
    except BaseException:
        # That API's clients that hang up want nothing more of it.
        await asyncio.shield(asyncio.to_thread(dependencies.jobs.cancel, job.id))
        raise
    pictures, model = await asyncio.to_thread(_collect, dependencies, finished, job.id, capabilities)
    return FinishedEdit(finished or job, pictures, model, job.queue_position)


def _submit(
    dependencies: Dependencies, edit: TranslatedEdit, capabilities: EditorCapabilities, client: str, task: str
) -> Job:
    own, series = ownership(dependencies), edit.series
    check_counts(len(edit.photos), edit.mask is not None, [edit.parameters], dependencies.settings, several=True)
    check_decoded(edit.decoded, [edit.parameters], dependencies.settings)
    check_capabilities(edit.parameters, capabilities)
    own.require_free(task)
    job = (
        submit_series(dependencies, edit.sources, series)
        if series
        else submit_edit(dependencies, edit.sources, edit.parameters)
    )
    own.record(job, client, task)
    return with_position(dependencies, job)


def _collect(
    dependencies: Dependencies, finished: Job | None, job_id: str, capabilities: EditorCapabilities
) -> tuple[list[ResultPicture], ModelInfo]:
    """Return the job's pictures with the model that made them; of an interrupted job, those that were finished."""
    store = EditStore(dependencies.storage)
    job = finished or find_job(dependencies, job_id)
    if job.state is JobState.CANCELLED and (images := store.images(job.id)):
        model = capabilities.model
    else:
        require_success(job)
        result = edit_result(dependencies, job)
        images, model = result.images, result.model
    return [ResultPicture(image, store.png(job.id, PictureKind.IMAGE, image.index)) for image in images], model
