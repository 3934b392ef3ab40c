"""Report a job's progress in the shapes of A1111's two progress endpoints."""

from datetime import UTC, datetime

from framesense.schemas.jobs import Job, JobState
from gateway.a1111.answers import timestamp
from gateway.a1111.pictures import base64_text
from gateway.a1111.schemas import ProgressResponse, ProgressState, TaskProgressResponse

IDLE = ProgressResponse(progress=0, eta_relative=0, state=ProgressState())
"""No job of this client is unfinished."""
EXPECTED = IDLE.model_copy(update={"textinfo": "Waiting..."})
"""A task of that name has not been sent yet: clients ask from the moment on that they begin to send it."""


def progress_response(job: Job, pictures: int, preview: bytes | None) -> ProgressResponse:
    """Answer ``/sdapi/v1/progress``. ``job``: with its place in the queue; ``pictures``: how many it makes."""
    done, sampling = fraction(job), job.progress
    state = ProgressState(
        interrupted=job.state is JobState.CANCELLED,
        job=f"job {job.id}",
        job_count=0 if job.state.finished else pictures,
        job_timestamp=timestamp(job),
        job_no=min(pictures, int(done * pictures)),
        sampling_step=_within(sampling.done, sampling.total, pictures),
        sampling_steps=(sampling.total or 0) // pictures,
        job_id=job.id,
        job_state=job.state,
        queue_position=job.queue_position,
    )
    return ProgressResponse(
        progress=done,
        eta_relative=_eta(job, done) or 0,
        state=state,
        current_image=base64_text(preview) if preview and not job.state.finished else None,
        textinfo=_in_words(job),
    )


def task_progress_response(job: Job | None, preview: bytes | None) -> TaskProgressResponse:
    """Answer ``/internal/progress``. ``job``: None for a task that has not been sent."""
    if job is None:
        return TaskProgressResponse(active=False, queued=False, completed=False, textinfo=EXPECTED.textinfo)
    active = job.state is JobState.RUNNING
    done = fraction(job)
    return TaskProgressResponse(
        active=active,
        queued=job.state is JobState.QUEUED,
        completed=job.state.finished,
        progress=done,
        eta=_eta(job, done),
        live_preview=f"data:image/jpeg;base64,{base64_text(preview)}" if active and preview else None,
        # That API counts its previews, so that none is sent twice; a step is as good a number.
        id_live_preview=job.progress.done if active and preview else -1,
        textinfo=_in_words(job),
    )


def fraction(job: Job) -> float:
    """Return the share that is done, 0 to 1; 1 for a finished job, however it ended."""
    if job.state.finished:
        return 1.0
    return min(1.0, job.progress.done / job.progress.total) if job.progress.total else 0.0


def _within(done: int, total: int | None, pictures: int) -> int:
    steps = (total or 0) // pictures
    return done % steps if steps else 0


def _eta(job: Job, done: float) -> float | None:
    if job.started_at is None or not 0 < done < 1:
        return None
    elapsed = (datetime.now(UTC) - job.started_at).total_seconds()
    return max(0.0, elapsed / done - elapsed)


def _in_words(job: Job) -> str:
    if job.state is JobState.QUEUED:
        return f"Queued, {job.queue_position or 0} before it"
    return job.progress.message or str(job.state)
