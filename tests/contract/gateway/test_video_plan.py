"""What is told of a video's analysis before it starts: how many frames, and about how long."""

from pathlib import Path

import pytest

from framesense.schemas.jobs import Job, JobState
from framesense.schemas.novelty import VideoPlan
from tests.support.gateway_process import MP4, Gateway, problem
from tests.support.videos import numbered_video

SECONDS = 20
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
    assert plan(gateway, upload_id=upload_id) == VideoPlan(duration=SECONDS, every_n_second=0.25, frames=80)
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
    assert plan(gateway, job_id=job.id).frames is None, "not analysed yet"
    gateway.analyse(job, CAPTIONS, WORDS)
    assert plan(gateway, job_id=job.id, every_n_second=2).frames == 10
    assert plan(gateway, job_id=job.id).every_n_second == 0.25


def test_what_does_not_say_how_long_it_is_has_no_plan(gateway: Gateway) -> None:
    upload_id = upload(gateway, MP4 + bytes(5000))
    assert plan(gateway, upload_id=upload_id) == VideoPlan()
    assert plan(gateway, upload_id=upload_id, every_n_second=2) == VideoPlan(every_n_second=2)


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
