"""Deleting jobs for good: with the last job that refers to them go a video and its analysis, photos and their tags;
with an edit, its pictures."""

from collections.abc import Iterator

from framesense.jobs.payloads import Payload, PhotoSetPayload, UnknownPayloadError, VideoPayload
from framesense.jobs.store import UnknownJobError
from framesense.schemas.jobs import Job
from framesense.storage.analyses import analysis_prefix, video_prefix
from framesense.storage.edits import edit_prefix
from framesense.storage.photo_sets import photo_set_prefix, tagging_prefix
from gateway.dependencies import Components
from gateway.edits.jobs import EDITS

_PAGE = 200


def delete_job(components: Components, job: Job) -> None:
    """Delete a finished job and every blob that no other job needs. Blocking."""
    blobs = _blobs(components, job)
    components.jobs.delete(job.id)
    if job.kind in EDITS:
        components.storage.delete(edit_prefix(job.id))
    needed: set[str] = set().union(*(_blobs(components, other) for other in every_job(components)))
    for prefix in blobs - needed:
        components.storage.delete(prefix)


def every_job(components: Components) -> Iterator[Job]:
    """Iterate over all jobs, the newest first."""
    cursor: str | None = None
    while True:
        page = components.jobs.page(limit=_PAGE, cursor=cursor)
        yield from page.jobs
        cursor = page.next_cursor
        if cursor is None:
            return


def _blobs(components: Components, job: Job) -> set[str]:
    """Return the prefixes in the store that a job's payload refers to; none for a job deleted meanwhile."""
    try:
        return _prefixes(components.jobs.payload(job.id, Payload))
    except (UnknownJobError, UnknownPayloadError):
        return set()


def _prefixes(payload: Payload) -> set[str]:
    match payload:
        case VideoPayload():
            return {video_prefix(payload.video.sha256), *map(analysis_prefix, payload.works)}
        case PhotoSetPayload():
            return {photo_set_prefix(payload.photos.sha256), *map(tagging_prefix, payload.works)}
        case _:
            return set()
