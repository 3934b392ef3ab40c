"""How far a job is, in words."""

from datetime import UTC, datetime, timedelta

from framesense.schemas.jobs import Job, JobKind, JobState, Progress
from ui.jobs.progress import progress_text


def test_time_left_counts_from_where_the_work_began() -> None:
    now = datetime.now(UTC)
    progress = Progress(done=10, total=60, message="captioning frames, again: the captioner changed its model to blip")
    job = Job(id="1", kind=JobKind.VIDEO, state=JobState.RUNNING, progress=progress, created_at=now)
    started = job.model_copy(update={"started_at": now - timedelta(seconds=2)})
    said = r"Captioning frames, again\: the captioner changed its model to blip · 10 of 60"
    assert progress_text(job, now) == said
    assert progress_text(started, now) == f"{said} · 10 s left"
    begun = job.model_copy(update={"progress": Progress(message="starting again with blip")})
    assert progress_text(begun, now) == "Starting again with blip"
