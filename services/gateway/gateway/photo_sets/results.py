"""Read from the store what a photo-set job answers: its result, tables and thumbnails. Blocking."""

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import PhotoSetPayload
from framesense.schemas.jobs import Job
from framesense.schemas.photo_sets import PhotoSetResult
from framesense.storage.photo_sets import PhotoSetStore, Table
from gateway.dependencies import Dependencies
from gateway.jobs.lookups import payload_of, require_success


def photo_set_result(dependencies: Dependencies, job: Job) -> PhotoSetResult:
    """Return a finished job's result, with its own name and URLs.

    Raises ProblemError: 409 while the job is not finished, 410 for a cancelled one, and a failed one's own.
    """
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
    """Return a finished job's table of photos as a file. Raises ProblemError as :func:`photo_set_result`."""
    require_success(job)
    try:
        return PhotoSetStore(dependencies.storage).table(tagging_of(dependencies, job), table)
    except FileNotFoundError:
        raise _gone(job) from None


def photo_thumbnail(dependencies: Dependencies, job: Job, index: int) -> bytes:
    """Return a photo's thumbnail, a JPEG. Raises a 404 problem for a photo that is not there, or not yet."""
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
