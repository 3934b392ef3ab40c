"""A video becomes an analysis: every frame once, whoever asks for it."""

import threading
from pathlib import Path

import numpy as np
import pytest

from framesense.jobs.payloads import VideoPayload
from framesense.schemas.jobs import JobState
from tests.support.number_captioner import NumberCaptioner
from tests.support.video_stack import VideoStack, numbers
from tests.support.videos import numbered_picture, numbered_video, render_video, several_videos


def test_every_frame_is_captioned_once_and_stored(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 30))
    finished = stack.finished(job)
    assert finished.state is JobState.SUCCEEDED, stack.logs
    assert finished.result_url == f"/jobs/{job.id}/result"
    assert (finished.progress.done, finished.progress.total) == (30, 30)
    key = stack.jobs.payload(job.id, VideoPayload).work
    loaded = stack.analyses.load(key)
    assert loaded is not None
    summary, frames = loaded
    assert numbers(frames) == list(range(30)) == sorted(captioner.seen)
    assert frames.times == pytest.approx(np.arange(30) / 25)
    assert frames.words[7] == pytest.approx([7] * 4)
    assert (summary.video.width, summary.video.height, summary.video.codec) == (192, 128, "h264")
    assert summary.video.duration == pytest.approx(1.2)
    assert summary.models == [captioner.model]
    assert frames.visual == pytest.approx(np.stack([np.arange(30), np.ones(30)], axis=1))
    looks, motions = zip(*stack.analyses.patches_and_motion(key), strict=True)
    assert [grid.mean() for grid in looks] == pytest.approx(np.arange(30))
    assert [motion.shape for motion in motions if motion is not None] == [(2, 3, 2)] * 30
    assert frames.aligned is None, "no tagger runs"
    assert all(stack.analyses.thumbnail(key, index).startswith(b"\xff\xd8") for index in range(30))

    again = stack.finished(stack.submit(tmp_path / "clip.mp4"))
    assert again.state is JobState.SUCCEEDED
    assert len(captioner.seen) == 30, "the same question is answered from what is stored"


def test_a_frame_that_stays_is_captioned_once(stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path) -> None:
    stack.start_worker()
    pictures = [numbered_picture(number) for number in range(4)]
    still = render_video(tmp_path / "still.mp4", pictures, times=[0, 8, 16, 16.04])
    job = stack.submit(still, 0.1)
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    assert sorted(captioner.seen) == [0, 1, 2]
    assert numbers(stack.frames(job)) == [*[0] * 80, *[1] * 80, 2]


def test_pictures_that_are_the_same_are_captioned_once(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    stack.start_worker()
    pictures = [numbered_picture(number) for number in (5, 5, 5, 5, 6, 6, 5)]
    job = stack.submit(render_video(tmp_path / "same.mkv", pictures, codec="ffv1", pixel_format="yuv444p"))
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    assert sorted(captioner.seen) == [5, 5, 6]
    assert numbers(stack.frames(job)) == [5, 5, 5, 5, 6, 6, 5]


def test_the_video_that_was_chosen_is_looked_at(stack: VideoStack, tmp_path: Path) -> None:
    stack.start_worker()
    path = several_videos(tmp_path / "two.mp4", [(192, 128, 10), (96, 64, 5)])
    job = stack.submit(path, video_stream=1)
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    video, frames = stack.load(job)[0].video, stack.frames(job)
    assert (video.video_stream, video.width, len(frames)) == (1, 96, 5)
    unknown = stack.finished(stack.submit(path, video_stream=7))
    assert unknown.error is not None and "stream 0 (192 × 128, h264) and stream 1" in unknown.error.detail


def test_with_a_tagger_frames_can_be_searched_in_words(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    stack.start_worker(TAGGER_URL=f"{captioner.url}/tagger")
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 10))
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    summary, frames = stack.load(job)
    assert frames.aligned == pytest.approx(np.stack([np.arange(10), np.ones(10)], axis=1))
    assert summary.models == [captioner.model, captioner.tagger]


def test_two_jobs_that_ask_for_the_same_do_it_once(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.go = threading.Semaphore(1)
    for _ in range(2):
        stack.start_worker()
    video = numbered_video(tmp_path / "clip.mp4", 40)
    jobs = [stack.submit(video) for _ in range(2)]
    stack.wait_until(lambda: any("waiting" in stack.get(job).progress.message for job in jobs))
    captioner.go = None
    for job in jobs:
        assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
        assert numbers(stack.frames(job)) == list(range(40))
    assert sorted(captioner.seen) == list(range(40))
    assert "another job is at the same work" in stack.logs


def test_a_job_longer_than_the_visibility_timeout_runs_once(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 0.8
    stack.environment["JOB_VISIBILITY_TIMEOUT"] = "2"
    for _ in range(2):
        stack.start_worker(WORKER_REQUESTS="1")
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 40))
    assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
    assert "another worker has it" in stack.logs, "the message came back while the job ran"
    assert captioner.seen == list(range(40))
    assert stack.logs.count(f"job {job.id}: started") == 1
