"""Photo sets: from an uploaded zip to a job, and from a finished job to what is answered. Blocking."""

from pathlib import Path

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import PhotoSetPayload, StoredFile
from framesense.jobs.queue import enqueue
from framesense.schemas.jobs import Job, JobKind
from framesense.schemas.photo_sets import PhotoSetParameters, PhotoSetResult
from framesense.storage.photo_sets import PhotoSetStore, Table, photo_set_key
from gateway.dependencies import Dependencies
from gateway.jobs.lookups import payload_of, require_success
from gateway.jobs.submission import sha256_of, withdrawn_on_failure


def submit_photos(dependencies: Dependencies, file: Path, name: str, parameters: PhotoSetParameters) -> Job:
    """Takes the file. Raises ProblemError 422 for an empty file, 503 when the queue cannot be reached."""
    source = StoredFile(sha256=sha256_of(file, name), name=name, bytes=file.stat().st_size)
    job = dependencies.jobs.create(
        JobKind.PHOTO_SET,
        name=name,
        parameters=parameters.model_dump(mode="json"),
        payload=PhotoSetPayload(photos=source),
    )
    with withdrawn_on_failure(dependencies, job):
        dependencies.storage.take(file, photo_set_key(source.sha256))
        enqueue(dependencies.celery, JobKind.PHOTO_SET, job.id)
    return dependencies.jobs.get(job.id) or job


def photo_set_result(dependencies: Dependencies, job: Job) -> PhotoSetResult:
    """Raises ProblemError: 409 while the job is not finished, 410 for a cancelled one, and a failed one's own."""
    require_success(job)
    result = PhotoSetStore(dependencies.storage).load(tagging_of(dependencies, job))
    if result is None:
        raise _gone(job)
    # The tagging may have been made for another job, whose zip had the same bytes and another name.
    result.report.name = job.name
    for photo in result.photos:
        photo.thumbnail = f"/jobs/{job.id}/photos/{photo.index}.jpg"
    return result


def photo_set_table(dependencies: Dependencies, job: Job, table: Table) -> bytes:
    """Raises ProblemError like :func:`photo_set_result`."""
    require_success(job)
    try:
        return PhotoSetStore(dependencies.storage).table(tagging_of(dependencies, job), table)
    except FileNotFoundError:
        raise _gone(job) from None


def photo_thumbnail(dependencies: Dependencies, job: Job, index: int) -> bytes:
    """A JPEG. Raises a 404 problem for a photo that is not there, or not yet."""
    key = tagging_of(dependencies, job)
    try:
        if key != _NONE:
            return PhotoSetStore(dependencies.storage).thumbnail(key, index)
    except FileNotFoundError:
        pass
    raise ProblemError(404, "unknown-photo", "Unknown photo", f"Job {job.id} has no photo {index}, or not yet.")


_NONE = "none"


def tagging_of(dependencies: Dependencies, job: Job) -> str:
    """Return the key of a job's tagging; while that is not known, one that no tagging has."""
    return payload_of(dependencies, job, PhotoSetPayload).work or _NONE


def _gone(job: Job) -> ProblemError:
    detail = f"The result of job {job.id} is no longer in the store. Send the photos again to tag them."
    return ProblemError(410, "result-gone", "Result gone", detail)
