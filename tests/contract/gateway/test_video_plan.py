"""What is told of a video's analysis before it starts: how many frames, and about how long."""

from itertools import accumulate
from pathlib import Path

import pytest

from framesense.jobs.payloads import VideoPayload
from framesense.schemas.jobs import Job, JobState
from framesense.schemas.novelty import VideoPlan
from framesense.schemas.videos import VideoStreamInfo
from tests.support.gateway_process import MP4, Gateway, problem
from tests.support.videos import numbered_picture, numbered_video, render_video, several_videos

SECONDS = 20
STREAM = VideoStreamInfo(number=0, width=96, height=64, codec="h264", shown_first=True)
CAPTIONS = ["a street"] * 20
WORDS = [[1.0, 0.0]] * 20


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = tmp_path_factory.mktemp("plans") / "numbered.mp4"
    return numbered_video(path, 25 * SECONDS, size=(96, 64)).read_bytes()


def upload(gateway: Gateway, video: bytes, *, length: int | None = None) -> str:
    tus = {"Tus-Resumable": "1.0.0"}
    created = gateway.http.post("/uploads", headers={**tus, "Upload-Length": str(length or len(video))})
    part = {**tus, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    assert gateway.http.patch(created.headers["location"], content=video, headers=part).status_code == 204
    return str(created.headers["location"].rsplit("/", 1)[-1])


def plan(gateway: Gateway, **query: str | float) -> VideoPlan:
    answer = gateway.http.get("/video_captions/plan", params=query)
    assert answer.status_code == 200, answer.text
    return VideoPlan.model_validate(answer.json())


def test_an_upload_is_planned_by_its_length(gateway: Gateway, video: bytes) -> None:
    upload_id = upload(gateway, video)
    assert plan(gateway, upload_id=upload_id) == VideoPlan(
        duration=SECONDS, every_n_second=0.25, frames=80, video_stream=0, video_streams=[STREAM]
    )
    assert plan(gateway, upload_id=upload_id, every_n_second=3).frames == 7


def test_the_same_is_told_when_it_is_started(gateway: Gateway, video: bytes) -> None:
    answer = gateway.http.post("/video_captions", data={"upload_id": upload(gateway, video)})
    job = Job.model_validate(answer.json())
    assert job.parameters["every_n_second"] == "auto"
    assert (job.progress.done, job.progress.total) == (0, 80)
    assert job.progress.message == "about 80 frames, one every 0.25 s"


def test_the_time_goes_by_recent_jobs(gateway: Gateway, video: bytes) -> None:
    upload_id = upload(gateway, video)
    for number in range(3):
        earlier = gateway.submit(MP4 + bytes([number]))
        gateway.analyse(earlier, CAPTIONS, WORDS)
    finished = [job for job in gateway.jobs.page().jobs if job.state is JobState.SUCCEEDED]
    paces = sorted((job.finished_at - job.started_at).total_seconds() / 20 for job in finished)  # type: ignore[operator]
    told = plan(gateway, upload_id=upload_id).seconds
    assert told == round(paces[1] * 80, 1)


def test_another_analysis_is_planned_by_the_length_that_was_found(gateway: Gateway, video: bytes) -> None:
    job = gateway.submit(video, every_n_second=1)
    assert plan(gateway, job_id=job.id).frames == 80, "not analysed yet: by what the file says"
    gateway.analyse(job, CAPTIONS, WORDS)
    assert plan(gateway, job_id=job.id, every_n_second=2).frames == 10
    assert plan(gateway, job_id=job.id).every_n_second == 0.25


def test_what_does_not_say_how_long_it_is_has_no_plan(gateway: Gateway) -> None:
    upload_id = upload(gateway, MP4 + bytes(5000))
    assert plan(gateway, upload_id=upload_id) == VideoPlan()
    assert plan(gateway, upload_id=upload_id, every_n_second=2) == VideoPlan(every_n_second=2)


def test_what_the_start_refuses_the_plan_tells_in_the_same_words(gateway: Gateway, tmp_path: Path) -> None:
    steps = [0.04] * 60 + [50.0] * 40
    pictures = [numbered_picture(number, 96, 64) for number in range(100)]
    path = render_video(tmp_path / "stills.mp4", pictures, times=[0, *accumulate(steps[:-1])])
    upload_id = upload(gateway, path.read_bytes())
    told = plan(gateway, upload_id=upload_id, every_n_second=0.04)
    assert told.refused == (
        "A frame every 0.04 s makes 48,811 frames of this video; at most 36,000 are allowed. Choose at least 0.055 s."
    )
    started = gateway.http.post("/video_captions", data={"upload_id": upload_id, "every_n_second": "0.04"})
    assert problem(started, 422).detail == told.refused
    assert gateway.jobs.page().total == 0, "what is refused is no failed job"
    assert plan(gateway, upload_id=upload_id, every_n_second=0.055).refused is None


def test_frames_are_not_counted_more_often_than_there_are_any(gateway: Gateway, video: bytes) -> None:
    told = plan(gateway, upload_id=upload(gateway, video), every_n_second=0.0001)
    assert (told.frames, told.refused) == (25 * SECONDS, None)


def test_a_hole_has_no_frames(gateway: Gateway, tmp_path: Path) -> None:
    pictures = [numbered_picture(number, 96, 64) for number in range(50)]
    times = [number / 25 + 20_000 * (number >= 25) for number in range(50)]
    for suffix in ("mp4", "mkv", "ts"):
        path = render_video(tmp_path / f"hole.{suffix}", pictures, times=times, options={"g": "5"})
        told = plan(gateway, upload_id=upload(gateway, path.read_bytes()), every_n_second=0.1)
        assert (told.frames, told.refused) == (20, None), suffix
        assert told.duration == pytest.approx(20_002, abs=0.1)


def test_wrong_questions_are_refused(gateway: Gateway, video: bytes) -> None:
    def ask(**query: str) -> int:
        answer = gateway.http.get("/video_captions/plan", params=query)
        problem(answer, answer.status_code)
        return answer.status_code

    incomplete = upload(gateway, video[:1000], length=len(video))
    assert ask() == 422
    assert ask(upload_id="x", job_id="y") == 422
    assert ask(upload_id="0" * 32) == 404
    assert ask(job_id="unknown") == 404
    assert ask(upload_id=incomplete) == 409
    assert ask(upload_id=incomplete, every_n_second="often") == 422


@pytest.fixture(scope="module")
def two_videos(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Ten seconds of 96 × 64 in stream 0, twenty of 48 × 32 in stream 1."""
    return several_videos(tmp_path_factory.mktemp("two") / "two.mp4", [(96, 64, 250), (48, 32, 500)]).read_bytes()


def test_one_of_several_videos_is_chosen_by_its_stream(gateway: Gateway, two_videos: bytes) -> None:
    upload_id = upload(gateway, two_videos)
    usual = plan(gateway, upload_id=upload_id, every_n_second=1)
    assert [(one.number, one.width, one.shown_first) for one in usual.video_streams] == [(0, 96, True), (1, 48, False)]
    assert (usual.video_stream, usual.frames) == (0, 10)
    other = plan(gateway, upload_id=upload_id, every_n_second=1, video_stream=1)
    assert (other.video_stream, other.frames) == (1, 20)


def test_a_stream_that_is_no_video_is_refused_with_those_that_are(gateway: Gateway, two_videos: bytes) -> None:
    upload_id = upload(gateway, two_videos)
    planned = gateway.http.get("/video_captions/plan", params={"upload_id": upload_id, "video_stream": 7})
    form = gateway.http.post("/video_captions", files={"video": ("two.mp4", two_videos)}, data={"video_stream": "7"})
    started = gateway.http.post("/video_captions", data={"upload_id": upload_id}, params={"video_stream": 7})
    for answer in (planned, form, started):
        told = problem(answer, 422)
        assert "stream 0 (96 × 64, h264) and stream 1 (48 × 32, h264)" in told.detail
    assert plan(gateway, upload_id=upload_id).video_streams, "the upload is kept for another try"
    assert gateway.jobs.page().total == 0


def test_the_chosen_stream_goes_with_the_job(gateway: Gateway, two_videos: bytes) -> None:
    job = gateway.submit(two_videos, video_stream=1)
    assert job.parameters["video_stream"] == 1
    assert gateway.jobs.payload(job.id, VideoPayload).video_stream == 1
    assert plan(gateway, job_id=job.id, every_n_second=1, video_stream=0).frames == 10
    assert plan(gateway, job_id=job.id, every_n_second=1).frames == 10, "the file's own choice, not the job's"
