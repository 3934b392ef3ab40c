"""Submit photos: a zip of them into the store, a job into Redis, a task onto the queue."""

import asyncio
from pathlib import Path

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import PhotoSetPayload, StoredFile
from framesense.media.archives import looks_like_zip
from framesense.schemas.jobs import Job, JobKind
from framesense.schemas.photo_sets import PhotoSetParameters
from framesense.storage.photo_sets import photo_set_key
from gateway.dependencies import Dependencies
from gateway.http.multipart import FormLimits, ReceivedForm
from gateway.jobs.submission import create_job, enqueue_job, sha256_of, withdrawn_on_failure
from gateway.photo_sets.photo_zip import ReceivedPhotos, relative_path
from gateway.uploads.sniffing import HEAD_BYTES


def form_limits(dependencies: Dependencies) -> FormLimits:
    """Return the limits within which a form with photos is received."""
    settings = dependencies.settings
    return FormLimits(
        "photos",
        settings.max_photo_set_bytes,
        settings.upload_idle_timeout,
        files=settings.max_photos_per_request,
        receive=ReceivedPhotos,
        shown_name=relative_path,
        require_room=dependencies.disk.require,
    )


async def submit_form(
    dependencies: Dependencies, form: ReceivedForm, parameters: PhotoSetParameters, *, upload_id: str | None
) -> Job:
    """Start a job for a form's photos, or for the upload that it names.

    Raises ProblemError: 422 unless there is one of the two, 404 for an unknown upload, 415 for one that is no zip, and
    as :func:`submit_photos`.
    """
    if (form.file is None) == (upload_id is None):
        detail = "Send photos, or a zip of them, in the field 'photos' (curl -F photos=@FILE), or an 'upload_id'."
        raise ProblemError(422, "no-photos", "No photos", detail)
    if form.file:
        return await asyncio.to_thread(submit_photos, dependencies, form.file.path, form.file.name, parameters)
    assert upload_id is not None
    upload, file = await asyncio.to_thread(dependencies.uploads.take, upload_id)
    await asyncio.to_thread(_require_zip, upload.name, file)
    job = await asyncio.to_thread(submit_photos, dependencies, file, upload.name, parameters)
    await asyncio.to_thread(dependencies.uploads.delete, upload_id)
    return job


def submit_photos(dependencies: Dependencies, file: Path, name: str, parameters: PhotoSetParameters) -> Job:
    """Move a zip into the store and start a job for it.

    Raises ProblemError 422 for an empty file, 503 when the queue cannot be reached. Blocking.
    """
    source = StoredFile(sha256=sha256_of(file, name), name=name, bytes=file.stat().st_size)
    job = create_job(
        dependencies,
        JobKind.PHOTO_SET,
        name=name,
        parameters=parameters.model_dump(mode="json"),
        payload=PhotoSetPayload(photos=source, size=source.bytes),
    )
    with withdrawn_on_failure(dependencies, job):
        dependencies.storage.take(file, photo_set_key(source.sha256))
        enqueue_job(dependencies, job)
    return dependencies.jobs.get(job.id) or job


def _require_zip(name: str, file: Path) -> None:
    """Refuse an upload that is no zip, as a video is none. Raises a 415 problem."""
    with file.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if head and not looks_like_zip(head):
        detail = f"{name} is not a zip archive. Put the photos into a .zip and send that."
        raise ProblemError(415, "not-a-zip", "Not a zip archive", detail)
