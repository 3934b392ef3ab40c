"""A captioner or tagger that changes its model while a job runs."""

import threading
from pathlib import Path

import pytest

from framesense.jobs.payloads import VideoPayload
from framesense.schemas.jobs import Job, JobState, Progress
from tests.support.number_captioner import NumberCaptioner
from tests.support.video_stack import VideoStack, numbers
from tests.support.videos import numbered_video


@pytest.mark.parametrize(("service", "changed"), [("captioner", "revision"), ("tagger", "tagger_revision")])
def test_a_job_begins_again_when_a_model_changes(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path, service: str, changed: str
) -> None:
    captioner.go = threading.Semaphore(2)
    stack.start_worker(TAGGER_URL=f"{captioner.url}/tagger", WORKER_MAX_ATTEMPTS="1")
    video = numbered_video(tmp_path / "clip.mp4", 60)
    job = stack.submit(video)
    stack.until_done(job, 8)
    before = stack.get(job)
    former = stack.jobs.payload(job.id, VideoPayload).work
    setattr(captioner, changed, "2")
    captioner.go = None
    finished = stack.finished(job)
    assert finished.state is JobState.SUCCEEDED, stack.logs
    assert numbers(stack.frames(job)) == list(range(60))
    _assert_of_the_present_models(stack, job, captioner)

    told = [event.progress for event in stack.events(job)]
    announced = [f"the {service} changed its model" in progress.message for progress in told].index(True)
    assert told[announced] == Progress(message=f"the {service} changed its model: starting again with numbers")
    assert told[announced - 1].done >= 8
    frames = [progress for progress in told[announced:] if progress.total]
    assert (frames[0].done, frames[-1].done) == (0, 60)
    assert {progress.message for progress in frames} == {
        f"captioning frames, again: the {service} changed its model to numbers"
    }
    assert before.started_at and finished.started_at and finished.started_at > before.started_at

    payload = stack.jobs.payload(job.id, VideoPayload)
    kept = stack.analyses.checkpoint(former)
    assert kept is not None and 8 <= len(kept) < 60
    assert payload.earlier == (former,) and payload.work != former
    setattr(captioner, changed, "1")
    captioner.seen.clear()
    again = stack.submit(video)
    assert stack.finished(again).state is JobState.SUCCEEDED, stack.logs
    assert stack.jobs.payload(again.id, VideoPayload).work == former
    assert sorted(captioner.seen) == list(range(len(kept), 60)), "the former model goes on where it was left"
    _assert_of_the_present_models(stack, again, captioner)


@pytest.mark.parametrize("changed", ["encoder", "tagger_encoder"])
def test_a_refusal_of_another_model_is_a_change_too(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path, changed: str
) -> None:
    captioner.encoder = captioner.tagger_encoder = "e@1"
    captioner.go = threading.Semaphore(2)
    stack.start_worker(TAGGER_URL=f"{captioner.url}/tagger", WORKER_MAX_ATTEMPTS="1")
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 40))
    stack.until_done(job, 8)
    setattr(captioner, changed, None)
    captioner.revision = captioner.tagger_revision = "2"
    captioner.go = None
    finished = stack.finished(job)
    assert finished.state is JobState.SUCCEEDED, stack.logs
    assert numbers(stack.frames(job)) == list(range(40))
    assert captioner.embedded["pictures"] == 40, "no longer by features"
    _assert_of_the_present_models(stack, job, captioner)


def _assert_of_the_present_models(stack: VideoStack, job: Job, captioner: NumberCaptioner) -> None:
    summary, frames = stack.load(job)
    assert summary.models == [captioner.model, captioner.tagger]
    assert frames.visual is not None and set(frames.visual[:, 1]) == {int(captioner.revision)}
    assert frames.aligned is not None and set(frames.aligned[:, 1]) == {int(captioner.tagger_revision)}


def test_jobs_that_wait_for_one_another_do_it_once_with_the_new_model_too(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.go = threading.Semaphore(1)
    for _ in range(2):
        stack.start_worker(WORKER_REQUESTS="1")
    video = numbered_video(tmp_path / "clip.mp4", 40)
    first, second = stack.submit(video), stack.submit(video)
    stack.wait_until(lambda: any("waiting" in stack.get(job).progress.message for job in (first, second)))
    captioner.seen.clear()
    captioner.revision = "2"
    captioner.go = None
    for job in (first, second):
        assert stack.finished(job).state is JobState.SUCCEEDED, stack.logs
        assert numbers(stack.frames(job)) == list(range(40))
    assert stack.jobs.payload(first.id, VideoPayload).work == stack.jobs.payload(second.id, VideoPayload).work
    assert len(captioner.seen) <= 40 + 2 * 4, "every frame once, and a batch each that told of the new model"


def test_a_model_that_changes_again_and_again_fails_the_job(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.fickle = True
    stack.start_worker()
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 20))
    failed = stack.finished(job)
    assert failed.error is not None
    assert (failed.error.status, failed.error.type) == (503, "urn:framesense:problem:model-changed")
    assert "4 times" in failed.error.detail and "captioner" in failed.error.detail
    assert stack.storage.list("analyses") == [], "not one frame was stored"
