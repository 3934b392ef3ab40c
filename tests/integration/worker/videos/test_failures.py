"""Videos that cannot be analysed, and captioners that do not answer."""

from pathlib import Path

from framesense.jobs.payloads import VideoPayload
from framesense.schemas.jobs import JobState
from tests.support.number_captioner import NumberCaptioner
from tests.support.video_stack import VideoStack
from tests.support.videos import audio_only, cut_off, numbered_video


def test_bad_videos_fail_with_a_problem_and_leave_nothing(stack: VideoStack, tmp_path: Path) -> None:
    stack.start_worker()
    text = tmp_path / "text.mp4"
    text.write_text("not a video\n" * 50)
    whole = numbered_video(tmp_path / "clip.mp4", 50)
    bad = {
        text: (415, "urn:framesense:problem:not-a-video"),
        audio_only(tmp_path / "sound.mp4"): (422, "urn:framesense:problem:no-video-track"),
        cut_off(whole, tmp_path / "cut.mp4", 0.6): (422, "urn:framesense:problem:no-index"),
    }
    for video, expected in bad.items():
        job = stack.finished(stack.submit(video))
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert (job.error.status, job.error.type) == expected
        assert "Traceback" not in job.error.detail
    assert stack.storage.list("analyses") == []
    assert stack.finished(stack.submit(whole)).state is JobState.SUCCEEDED


def test_sampling_far_too_often_is_refused(stack: VideoStack, tmp_path: Path) -> None:
    stack.start_worker(WORKER_MAX_FRAMES="40")
    job = stack.finished(stack.submit(numbered_video(tmp_path / "clip.mp4", 50), every_n_second=0.001))
    assert job.error is not None
    assert (job.error.status, job.error.type) == (422, "urn:framesense:problem:too-many-frames")


def test_a_captioner_that_stays_ill_fails_the_job_and_keeps_what_is_done(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.delay = 0.2
    stack.start_worker(WORKER_CAPTION_RETRY_SECONDS="1")
    job = stack.submit(numbered_video(tmp_path / "clip.mp4", 60))
    stack.until_done(job, 8)
    captioner.ill = True
    failed = stack.finished(job)
    assert failed.error is not None
    assert (failed.state, failed.error.status) == (JobState.FAILED, 503)
    assert "submit the video again" in failed.error.detail
    captioner.ill, captioner.delay = False, 0
    finished_before = len(stack.analyses.checkpoint(stack.jobs.payload(job.id, VideoPayload).work) or ())
    assert finished_before >= 8
    captioner.seen.clear()
    again = stack.submit(tmp_path / "clip.mp4")
    assert stack.finished(again).state is JobState.SUCCEEDED
    assert sorted(captioner.seen) == list(range(finished_before, 60))


def test_models_that_are_being_loaded_are_waited_for_as_nobody_is_away(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.loading.update(captioner=2, tagger=2)
    stack.start_worker(TAGGER_URL=f"{captioner.url}/tagger", WORKER_CAPTION_RETRY_SECONDS="0.2")
    job = stack.finished(stack.submit(numbered_video(tmp_path / "clip.mp4", 4)))
    assert (job.state, captioner.loading.total()) == (JobState.SUCCEEDED, 0)
    assert stack.load(job)[0].models == [captioner.model, captioner.tagger]


def test_a_model_that_is_loaded_for_ever_is_given_up(
    stack: VideoStack, captioner: NumberCaptioner, tmp_path: Path
) -> None:
    captioner.loading["captioner"] = 1_000_000
    stack.start_worker(WORKER_LOADING_SECONDS="1")
    job = stack.finished(stack.submit(numbered_video(tmp_path / "clip.mp4", 4)))
    assert job.error is not None and (job.state, job.error.status) == (JobState.FAILED, 503)
    assert "still loading after" in job.error.detail and "being loaded" in job.error.detail
