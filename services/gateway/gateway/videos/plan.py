"""Tell beforehand what the analysis of a video will look at, and about how long it will take."""

from statistics import median

from framesense.jobs.store import JobStore
from framesense.novelty.sampling import count_frames, default_interval, too_many_frames
from framesense.schemas.jobs import Job, JobKind, JobState, Progress
from framesense.schemas.novelty import Interval, VideoPlan
from framesense.schemas.videos import VideoProbe
from framesense.wording import counted

RECENT_JOBS = 20
"""Jobs whose pace is remembered."""
LEAST_FRAMES = 10
"""Frames from which a job tells the pace; shorter ones are mostly beginning and end."""
FROM_STORE = "answered from an earlier analysis"
"""Message of a job that did no work, and so tells no pace."""


def plan_analysis(jobs: JobStore, probe: VideoProbe, interval: Interval, *, most_frames: int) -> VideoPlan:
    """Plan the analysis of a video by what is known of it. ``most_frames``: more are refused. Blocking."""
    covered, plan = sum(probe.spans), VideoPlan(video_stream=probe.video_stream, video_streams=probe.video_streams)
    if not covered:
        return plan.model_copy(update={"every_n_second": None if interval == "auto" else interval})
    every = default_interval(covered, probe.frame_interval) if interval == "auto" else interval
    frames = count_frames(probe.spans, max(every, probe.frame_interval))
    pace = _seconds_per_frame(jobs)
    found = {
        "duration": probe.duration,
        "every_n_second": every,
        "frames": frames,
        "seconds": None if pace is None else round(pace * frames, 1),
        "refused": too_many_frames(frames, most_frames, every, covered).detail if frames > most_frames else None,
    }
    return plan.model_copy(update=found)


def planned_progress(plan: VideoPlan) -> Progress:
    """Return the progress of a job that waits, with what can be told of its plan."""
    if plan.frames is None:
        return Progress()
    message = counted(plan.frames, "frame")
    if plan.frames > 1:
        message = f"about {message}, one every {plan.every_n_second:g} s"
    if plan.seconds is not None:
        message += f", about {max(1, round(plan.seconds))} s"
    return Progress(total=plan.frames, message=message)


def _seconds_per_frame(jobs: JobStore) -> float | None:
    """Return the median over recent jobs; None where there were none."""
    paces = [_pace(job) for job in jobs.page(limit=RECENT_JOBS, kinds=[JobKind.VIDEO]).jobs]
    known = [pace for pace in paces if pace is not None]
    return median(known) if known else None


def _pace(job: Job) -> float | None:
    frames = job.progress.total or 0
    if job.state is not JobState.SUCCEEDED or frames < LEAST_FRAMES or job.progress.message == FROM_STORE:
        return None
    if job.started_at is None or job.finished_at is None:
        return None
    return (job.finished_at - job.started_at).total_seconds() / frames
