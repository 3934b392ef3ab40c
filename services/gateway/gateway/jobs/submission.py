"""Submit a job of any kind: hash its input, and leave nothing behind where a submission fails."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kombu.exceptions import OperationalError
from redis import RedisError

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import Payload
from framesense.jobs.queue import enqueue, lateness
from framesense.logs import current_request_id
from framesense.schemas.jobs import Job, JobKind, Progress
from gateway.access.refusals import over_quota
from gateway.dependencies import Dependencies
from gateway.http.multipart import ReceivedForm
from gateway.jobs.deletion import delete_job
from gateway.jobs.idempotency import Inputs

log = logging.getLogger(__name__)


def sha256_of(file: Path, name: str) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal. Raises ProblemError 422 for an empty file."""
    if file.stat().st_size == 0:
        raise ProblemError(422, "empty-file", "Empty file", f"{name} is empty: it has 0 bytes.")
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def form_inputs(form: ReceivedForm, **inputs: Any) -> Inputs:
    """Return a form's inputs: its file by name and content, and ``inputs``. Raises ProblemError 422 for an empty file.

    Blocking.
    """
    if form.file is None:
        return inputs
    return {**inputs, "name": form.file.name, "sha256": sha256_of(form.file.path, form.file.name)}


def create_job(
    dependencies: Dependencies,
    kind: JobKind,
    *,
    name: str,
    parameters: dict[str, Any],
    payload: Payload,
    progress: Progress | None = None,
) -> Job:
    """Store a new job of the client who sent the request, later in the queue the more of it are under way.

    Raises ProblemError: 429 where there are as many as a client may have, 507 for more bytes than its key may store.
    """
    settings, client = dependencies.settings, dependencies.client
    unfinished, limit = (
        dependencies.jobs.unfinished(client),
        dependencies.caller.limits.jobs or settings.client_max_jobs,
    )
    if limit and unfinished >= limit:
        detail = f"You have {unfinished} jobs under way, and may have {limit}. Wait for one to end."
        raise ProblemError(429, "too-many-jobs", "Too many jobs", detail, headers={"Retry-After": "30"})
    require_quota(dependencies, payload.size)
    late = lateness(unfinished, settings.client_share)
    payload = payload.model_copy(update={"client": client, "lateness": late, "request_id": current_request_id()})
    return dependencies.jobs.create(kind, name=name, parameters=parameters, payload=payload, progress=progress)


def require_quota(dependencies: Dependencies, size: int, *, uploads: int = 0) -> None:
    """Raise a 507 problem where the caller's key may not store so many bytes more.

    ``uploads``: bytes of its uploads that no job has taken yet, if they count.
    """
    limit = dependencies.caller.limits.bytes
    if limit is None:
        return
    stored = dependencies.jobs.stored(dependencies.client) + uploads
    if stored + size > limit:
        raise over_quota(limit, stored, size)


def enqueue_job(dependencies: Dependencies, job: Job) -> None:
    """Send a job to its queue. Raises kombu.exceptions.OperationalError when Redis cannot be reached."""
    enqueue(dependencies.celery, job.kind, job.id, dependencies.jobs.payload(job.id, Payload).lateness)


@contextmanager
def withdrawn_on_failure(dependencies: Dependencies, job: Job) -> Iterator[None]:
    """Delete the job if its input cannot be stored or its task cannot be sent, with what was stored of it.

    Raises ProblemError 503 when the queue cannot be reached. Where Redis is gone too, the blobs that stay are found by
    :func:`gateway.jobs.deletion.delete_orphans`.
    """
    try:
        yield
    except OperationalError as error:
        _withdraw(dependencies, job)
        raise ProblemError(
            503, "queue-unavailable", "Queue unavailable", "The job queue cannot be reached. Try again in a moment."
        ) from error
    except BaseException:
        _withdraw(dependencies, job)
        raise


def _withdraw(dependencies: Dependencies, job: Job) -> None:
    """Delete the job as far as Redis and the store let it; an error here would hide the one that brought us here."""
    try:
        delete_job(dependencies, job)
    except (OSError, RedisError) as error:
        log.warning("job %s could not be withdrawn: %s", job.id, error)
