"""From an uploaded file to a job: the file into the store, the job into Redis, the task onto the queue; or, where the
same question was answered before, to a job that has succeeded already.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kombu.exceptions import OperationalError
from redis import RedisError

from framesense.http.problems import ProblemError
from framesense.jobs.payloads import StoredFile, VideoPayload
from framesense.jobs.queue import enqueue
from framesense.schemas.jobs import Job, JobKind, Progress
from framesense.schemas.novelty import VideoParameters
from framesense.storage.analyses import VideoModels, analysis_key, video_key
from gateway.dependencies import Dependencies
from gateway.jobs.deletion import delete_job
from gateway.jobs.lookups import payload_of

log = logging.getLogger(__name__)

BEAMS, MAX_TOKENS = 4, 24
"""How a video's frames are captioned."""


def submit_video(
    dependencies: Dependencies, file: Path, name: str, parameters: VideoParameters, models: VideoModels | None
) -> Job:
    """Takes the file. ``models`` would answer; None while they are not known: then a worker finds out.

    Raises ProblemError 422 for an empty file, 503 when the queue cannot be reached. Blocking.
    """
    sha256 = sha256_of(file, name)

    def store() -> None:
        dependencies.storage.take(file, video_key(sha256))

    source = StoredFile(sha256=sha256, name=name, bytes=file.stat().st_size)
    return _submit(dependencies, source, store, parameters, models)


def resubmit_video(
    dependencies: Dependencies, earlier: Job, parameters: VideoParameters, models: VideoModels | None
) -> Job:
    """Another job for the video of an earlier one, which needs not be sent again.

    Raises ProblemError 422 when that was no video's, 410 when the video is no longer stored, 503 when the queue cannot
    be reached. Blocking.
    """
    if earlier.kind is not JobKind.VIDEO:
        raise ProblemError(
            422, "no-video", "No video", f"Job {earlier.id} is not a video's: it is a {earlier.kind} job."
        )
    source = payload_of(dependencies, earlier, VideoPayload).video

    def require_stored() -> None:
        if not dependencies.storage.exists(video_key(source.sha256)):
            raise ProblemError(410, "video-gone", "Video gone", "The video is no longer stored. Send it again.")

    return _submit(dependencies, source, require_stored, parameters, models)


def _submit(
    dependencies: Dependencies,
    source: StoredFile,
    store: Callable[[], None],
    parameters: VideoParameters,
    models: VideoModels | None,
) -> Job:
    payload = VideoPayload(video=source, every_n_second=parameters.every_n_second, beams=BEAMS, max_tokens=MAX_TOKENS)
    job = dependencies.jobs.create(
        JobKind.VIDEO, name=source.name, parameters=parameters.model_dump(mode="json"), payload=payload
    )
    with withdrawn_on_failure(dependencies, job):
        # After the job is there: whoever deletes another job of this video now sees that the video is still wanted.
        store()
        if not (models and _answer_from_store(dependencies, job, payload, models)):
            enqueue(dependencies.celery, JobKind.VIDEO, job.id)
    return dependencies.jobs.get(job.id) or job


def sha256_of(file: Path, name: str) -> str:
    """Of a file's content. Raises ProblemError 422 for an empty one."""
    if file.stat().st_size == 0:
        raise ProblemError(422, "empty-file", "Empty file", f"{name} is empty: it has 0 bytes.")
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def withdrawn_on_failure(dependencies: Dependencies, job: Job) -> Iterator[None]:
    """Delete a job whose input cannot be stored or whose task cannot be sent, with what was stored of it.

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
    """Delete the job as far as Redis and the store let it; the first error is the one to tell."""
    try:
        delete_job(dependencies, job)
    except (OSError, RedisError) as error:
        log.warning("job %s could not be withdrawn: %s", job.id, error)


def _answer_from_store(dependencies: Dependencies, job: Job, payload: VideoPayload, models: VideoModels) -> bool:
    """Finishes the job at once if its analysis is whole; whether it was."""
    key = analysis_key(
        sha256=payload.video.sha256,
        every_n_second=payload.every_n_second,
        beams=payload.beams,
        max_tokens=payload.max_tokens,
        models=models,
    )
    # Asked of the store, not of what is kept in memory: the analysis may have been deleted since.
    found = dependencies.analyses.load(key)
    lease = dependencies.jobs.lease(job.id) if found else None
    if found is None or lease is None:
        return False
    _, frames = found
    dependencies.jobs.save_payload(job.id, payload.with_work(key))
    dependencies.jobs.start(job.id)
    done = Progress(done=len(frames), total=len(frames), message="answered from an earlier analysis")
    dependencies.jobs.progress(job.id, done)
    dependencies.jobs.succeed(job.id, result_url(job.id))
    lease.release()
    return True


def result_url(job_id: str) -> str:
    return f"/jobs/{job_id}/result"
