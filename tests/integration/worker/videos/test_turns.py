"""Turns: a long video lets others pass that wait, and loses nothing by it."""

import threading
from pathlib import Path

from framesense.schemas.jobs import JobState
from tests.support.number_captioner import NumberCaptioner
from tests.support.video_stack import VideoStack, numbers
from tests.support.videos import numbered_video


def test_a_short_video_does_not_wait_for_the_end_of_a_long_one(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.go = threading.Semaphore(2)
    stack.start_worker(worker_turn_seconds=0)
    long = stack.submit(numbered_video(tmp_path / "long.mp4", 100))
    stack.until_done(long, 8)
    short = stack.submit(numbered_video(tmp_path / "short.mp4", 8))
    captioner.go = None
    ends = [stack.finished(job) for job in (long, short)]
    assert [job.state for job in ends] == [JobState.SUCCEEDED] * 2, stack.logs
    assert ends[0].finished_at and ends[1].finished_at and ends[1].finished_at < ends[0].finished_at
    assert numbers(stack.frames(long)) == list(range(100))
    assert numbers(stack.frames(short)) == list(range(8))
    states = [event.state for event in stack.events(long)]
    assert states.index(JobState.RUNNING) < len(states) - 1 - states[::-1].index(JobState.QUEUED), "it had two turns"


def test_two_long_videos_take_turns_and_both_end(stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path) -> None:
    stack.start_worker(worker_turn_seconds=0)
    jobs = [stack.submit(numbered_video(tmp_path / f"{length}.mp4", length)) for length in (24, 28)]
    ends = [stack.finished(job) for job in jobs]
    assert [job.state for job in ends] == [JobState.SUCCEEDED] * 2, stack.logs
    for job, length in zip(jobs, (24, 28), strict=True):
        assert numbers(stack.frames(job)) == list(range(length))
    # The second began before the first had ended.
    assert ends[1].started_at and ends[0].finished_at and ends[1].started_at < ends[0].finished_at
