"""Delete jobs for good: with the last job that refers to them go a video and its analysis, photos and their tags;
with an edit go its pictures.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from framesense.jobs.payloads import EditPayload, Payload, PhotoSetPayload, UnknownPayloadError, VideoPayload
from framesense.jobs.store import UnknownJobError
from framesense.schemas.jobs import Job
from framesense.storage.analyses import ANALYSES, VIDEOS, analysis_prefix, video_prefix
from framesense.storage.edits import EDITS, edit_prefix
from framesense.storage.photo_sets import PHOTO_SETS, TAGGINGS, photo_set_prefix, tagging_prefix
from gateway.dependencies import Dependencies

_PAGE = 200


def delete_job(dependencies: Dependencies, job: Job) -> None:
    """Delete a job and every blob that no other job needs. Blocking."""
    blobs = _blobs(dependencies, job)
    dependencies.jobs.delete(job.id)
    for prefix in blobs - _referenced(dependencies):
        dependencies.storage.delete(prefix)


def delete_orphans(dependencies: Dependencies, *, older_than: float) -> None:
    """Delete blobs that no job refers to, as a failed submission or a killed gateway leaves them. Blocking.

    Those written in the last ``older_than`` seconds stay: whoever wrote them may be about to refer to them.
    """
    # Blobs are listed first: a job is made before its blobs, so each blob listed has its job by now, or lost it.
    stored = [
        key for root in (VIDEOS, ANALYSES, PHOTO_SETS, TAGGINGS, EDITS) for key in dependencies.storage.list(root)
    ]
    referenced = _referenced(dependencies)
    latest = datetime.now(UTC) - timedelta(seconds=older_than)
    for prefix in stored:
        if prefix in referenced:
            continue
        written = dependencies.storage.last_modified(prefix)
        if written is None or written < latest:
            dependencies.storage.delete(prefix)


def every_job(dependencies: Dependencies) -> Iterator[Job]:
    """Iterate over all jobs, the newest first."""
    cursor: str | None = None
    while True:
        page = dependencies.jobs.page(limit=_PAGE, cursor=cursor)
        yield from page.jobs
        cursor = page.next_cursor
        if cursor is None:
            return


def _referenced(dependencies: Dependencies) -> set[str]:
    """Return the prefixes in the store that some job refers to."""
    return set().union(*(_blobs(dependencies, job) for job in every_job(dependencies)))


def _blobs(dependencies: Dependencies, job: Job) -> set[str]:
    """Return the prefixes in the store that a job's payload refers to; none for a job deleted meanwhile."""
    try:
        payload = dependencies.jobs.payload(job.id, Payload)
    except (UnknownJobError, UnknownPayloadError):
        return set()
    match payload:
        case VideoPayload():
            return {video_prefix(payload.video.sha256), *map(analysis_prefix, payload.works)}
        case PhotoSetPayload():
            return {photo_set_prefix(payload.photos.sha256), *map(tagging_prefix, payload.works)}
        case EditPayload():
            return {edit_prefix(job.id)}
        case _:
            return set()
