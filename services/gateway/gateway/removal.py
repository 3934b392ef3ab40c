"""Deleting jobs for good: with the last job that refers to them go the video and its analysis."""

import posixpath
from collections.abc import Iterator
from typing import Any

from framesense.analyses import video_key
from framesense.schemas.jobs import Job
from gateway.components import Components

_PAGE = 200


def delete_job(components: Components, job: Job) -> None:
    """Forgets a finished job and what no other job needs. Blocking."""
    payload = _payload(components, job.id)
    components.jobs.delete(job.id)
    video, analysis = payload.get("video", {}).get("sha256"), payload.get("analysis")
    needed = [_payload(components, other.id) for other in every_job(components)]
    if analysis and all(other.get("analysis") != analysis for other in needed):
        components.analyses.delete(analysis)
    if video and all(other.get("video", {}).get("sha256") != video for other in needed):
        components.storage.delete(posixpath.dirname(video_key(video)))


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
