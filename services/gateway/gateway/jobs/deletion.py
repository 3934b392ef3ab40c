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
    """Delete a job and every blob that no other job needs, whatever number of jobs there is. Blocking."""
    payload = _payload(dependencies, job.id)
    dependencies.jobs.delete(job.id)
    if payload is None:
        return
    # Looked for after the job is gone: of two that are deleted at once, the later finds that nobody needs the blobs.
    others = dependencies.jobs.sharing(payload.content) if payload.content else []
    needed = set().union(*(_blobs(other, _payload(dependencies, other)) for other in others))
    for prefix in _blobs(job.id, payload) - needed:
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
    return set().union(*(_blobs(job.id, _payload(dependencies, job.id)) for job in every_job(dependencies)))


def _payload(dependencies: Dependencies, job_id: str) -> Payload | None:
    """Return a job's payload; None for a job deleted meanwhile, or of a release that this one cannot read."""
    try:
        return dependencies.jobs.payload(job_id, Payload)
    except (UnknownJobError, UnknownPayloadError):
        return None


def _blobs(job_id: str, payload: Payload | None) -> set[str]:
    """Return the prefixes in the store that a job's payload refers to."""
    match payload:
        case VideoPayload():
            return {video_prefix(payload.video.sha256), *map(analysis_prefix, payload.works)}
        case PhotoSetPayload():
            return {photo_set_prefix(payload.photos.sha256), *map(tagging_prefix, payload.works)}
        case EditPayload():
            return {edit_prefix(job_id)}
        case _:
            return set()
