"""Workers that are killed or stopped, and jobs that are cancelled: another goes on."""

import signal
import threading
from pathlib import Path

from framesense.jobs.payloads import Attempts, VideoPayload
from framesense.schemas.jobs import JobState
from tests.support.number_captioner import NumberCaptioner
from tests.support.video_stack import VideoStack, numbers
from tests.support.videos import numbered_video
from tests.support.waiting import wait_until


def test_a_killed_worker_s_job_is_finished_by_another_without_captioning_twice(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.go = threading.Semaphore(4)
    first = stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 60))
    stack.until_done(job, 12)
    stack.kill(first)
    assert stack.get(job).state is JobState.RUNNING
    checkpoint = stack.analyses.checkpoint(stack.jobs.payload(job.id, VideoPayload).work)
    assert checkpoint is not None
    kept = len(checkpoint)
    assert 12 <= kept < 60
    wait_until(lambda: not captioner.waiting)
    captioner.go = None
    captioner.seen.clear()
    stack.start_worker()
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    assert numbers(stack.frames(job)) == list(range(60))
    assert sorted(captioner.seen) == list(range(kept, 60))


def test_a_job_goes_on_with_the_same_work_of_one_that_was_cancelled(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.go = threading.Semaphore(2)
    for _ in range(2):
        stack.start_worker()
    video = numbered_video(tmp_path / "clip.mp4", 60)
    first = stack.submit(video)
    stack.until_done(first, 8)
    second = stack.submit(video)
    stack.wait_until(lambda: "waiting" in stack.get(second).progress.message)
    stack.jobs.cancel(first.id)
    captioner.go = None
    assert stack.finished(second).state is JobState.SUCCEEDED, stack.logs
    assert numbers(stack.frames(second)) == list(range(60))
    assert len(captioner.seen) < 90, "what the first had stored was not done again"


def test_a_worker_told_to_stop_hands_its_job_over_at_once(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 0.5
    first = stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 100))
    stack.until_done(job, 8)
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=60) == 0
    stopped = stack.get(job)
    assert stopped.state is JobState.RUNNING
    assert stopped.progress.done < 100, "it did not wait for the job to end"
    captioner.delay = 0
    stack.start_worker()
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    assert numbers(stack.frames(job)) == list(range(100))


def test_cancelling_stops_the_work(stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path) -> None:
    captioner.delay = 0.3
    stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 200))
    stack.until_done(job, 4)
    stack.jobs.cancel(job.id)
    stack.wait_until(lambda: f"job {job.id}: stopped: cancelled" in stack.logs)
    captioner.delay = 0
    following = stack.submit(numbered_video(tmp_path / "next.mp4", 5))
    assert stack.finished(following).state is JobState.SUCCEEDED
    assert stack.get(job).state is JobState.CANCELLED
    assert len(captioner.seen) < 100


def test_a_video_that_kills_every_worker_is_given_up(stack: VideoStack, tmp_path: Path) -> None:
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 10), queue=False)
    payload = stack.jobs.payload(job.id, VideoPayload)
    stack.jobs.save_payload(job.id, payload.model_copy(update={"attempts": Attempts(count=3, done=0)}))
    stack.start_worker()
    stack.enqueue(job)
    failed = stack.finished(job)
    assert failed.error is not None
    assert failed.error.type == "urn:framesense:problem:workers-died"
