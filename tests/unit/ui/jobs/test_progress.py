"""How far a job is, in words."""

from datetime import UTC, datetime

from framesense.schemas.jobs import Job, JobKind, JobState, Progress
from ui.jobs.progress import progress_text, seconds_each


def test_time_left_is_told_once_it_is_known() -> None:
    progress = Progress(done=10, total=60, message="captioning frames, again: the captioner changed its model to blip")
    job = Job(id="1", kind=JobKind.VIDEO, state=JobState.RUNNING, progress=progress, created_at=datetime.now(UTC))
    said = r"Captioning frames, again\: the captioner changed its model to blip · 10 of 60"
    assert progress_text(job, None) == said
    assert progress_text(job, 0.2) == f"{said} · 10 s left"
    begun = job.model_copy(update={"progress": Progress(message="starting again with blip")})
    assert progress_text(begun, 0.2) == "Starting again with blip"


def test_time_left_follows_what_was_seen_lately() -> None:
    assert seconds_each([]) is None
    assert seconds_each([(100.0, 0), (120.0, 0)]) is None, "nothing was done yet"
    assert seconds_each([(120.0, 0), (121.0, 4), (122.0, 8)]) == 0.25
    assert seconds_each([(120.0, 60), (121.0, 3)]) is None, "another part of the work began"
