"""Deleting jobs for good: with the last job that refers to them go a video and its analysis, photos and their tags;
with an edit, its pictures."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from framesense.schemas.jobs import Job
from framesense.storage.analyses import analysis_prefix, video_key
from framesense.storage.edits import edit_prefix
from framesense.storage.photo_sets import photoset_key, tagging_prefix
from gateway.dependencies import Components
from gateway.edits.jobs import EDITS

_PAGE = 200


def delete_job(components: Components, job: Job) -> None:
    """Forgets a finished job and what no other job needs. Blocking."""
    payload = _payload(components, job.id)
    components.jobs.delete(job.id)
    if job.kind in EDITS:
        components.storage.delete(edit_prefix(job.id))
    needed: set[str] = set().union(*(_blobs(_payload(components, other.id)) for other in every_job(components)))
    for prefix in _blobs(payload) - needed:
        components.storage.delete(prefix)


def _blobs(payload: Mapping[str, Any]) -> set[str]:
    """The prefixes in the store that a job's payload refers to."""
    found = set()
    if "video" in payload:
        found.add(posixpath.dirname(video_key(payload["video"]["sha256"])))
    earlier = payload.get("earlier", ())  # begun, then left for another model
    if "analysis" in payload:
        found |= {analysis_prefix(key) for key in (payload["analysis"], *earlier)}
    if "photos" in payload:
        found.add(posixpath.dirname(photoset_key(payload["photos"]["sha256"])))
    if "tagging" in payload:
        found |= {tagging_prefix(key) for key in (payload["tagging"], *earlier)}
    return found


def every_job(components: Components) -> Iterator[Job]:
    """Newest first."""
    offset = 0
    while page := components.jobs.page(limit=_PAGE, offset=offset).jobs:
        yield from page
        offset += _PAGE


def _payload(components: Components, job_id: str) -> dict[str, Any]:
    try:
        return components.jobs.payload(job_id)
    except KeyError:  # deleted meanwhile
        return {}
