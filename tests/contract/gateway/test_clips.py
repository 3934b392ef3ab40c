"""Moments as clips and as a reel, cut out of videos whose every frame carries its number."""

import hashlib
from pathlib import Path

import av
import httpx
import pytest

from framesense.schemas.jobs import Job
from framesense.schemas.novelty import NoveltyCurve, VideoResult
from framesense.storage.analyses import video_key
from tests.support.gateway_process import Gateway, problem
from tests.support.videos import numbered_video, read_number

FPS, SECONDS = 25, 20
ODD = (6, 15)
"""Seconds at which the captions are of something else."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clips") / "numbered.mp4"
    return numbered_video(path, FPS * SECONDS, size=(96, 64), options={"g": str(FPS)}).read_bytes()


@pytest.fixture
def job(gateway: Gateway, video: bytes) -> Job:
    submitted = gateway.submit(video, "süd street.mp4", every_n_second=1, signal="words")
    words = [[0.0, 9.0] if second in ODD else [1.0 + second % 3 / 50, 0.0] for second in range(SECONDS)]
    gateway.analyse(submitted, [f"caption {second}" for second in range(SECONDS)], words)
    return submitted


def shown(answer: httpx.Response, path: Path) -> list[int]:
    """The numbers of an MP4's frames."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "video/mp4"
    assert int(answer.headers["content-length"]) == len(answer.content)
    path.write_bytes(answer.content)
    with av.open(str(path)) as container:
        return [read_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_a_moment_is_a_clip_with_a_second_around_it(gateway: Gateway, job: Job, tmp_path: Path) -> None:
    moments = VideoResult.model_validate(gateway.http.get(f"/jobs/{job.id}/result").json()).moments
    assert {moment.peak for moment in moments[:2]} == set(map(float, ODD))
    for moment in moments[:2]:
        answer = gateway.http.get(moment.clip)
        numbers = shown(answer, tmp_path / "clip.mp4")
        wanted = range(round((moment.start - 1) * FPS), round((moment.end + 1) * FPS))
        assert set(wanted) <= set(numbers)
        assert len(numbers) <= len(wanted) + 2 * FPS
        assert "s%C3%BCd%20street-moment-" in answer.headers["content-disposition"]
    assert gateway.left_behind() == []


def test_another_curves_moments_are_named_with_its_parameters(gateway: Gateway, job: Job) -> None:
    curve = gateway.http.get(f"/jobs/{job.id}/novelty", params={"metric": "cosine", "sensitivity": 0.9})
    moments = NoveltyCurve.model_validate(curve.json()).moments
    assert all("metric=cosine" in moment.clip and "sensitivity=0.9" in moment.clip for moment in moments)
    assert gateway.http.get(moments[0].clip).status_code == 200


def test_highlights_are_the_moments_in_order(gateway: Gateway, job: Job, tmp_path: Path) -> None:
    numbers = shown(
        gateway.http.get(f"/jobs/{job.id}/highlights.mp4", params={"max_moments": 2}), tmp_path / "reel.mp4"
    )
    assert numbers == sorted(numbers)
    assert {ODD[0] * FPS, ODD[1] * FPS} <= set(numbers)
    assert 10 * FPS not in numbers, "nothing happens there"
    stamped = gateway.http.get(f"/jobs/{job.id}/highlights.mp4", params={"max_moments": 2, "times": True})
    assert stamped.status_code == 200
    assert stamped.content != gateway.http.get(f"/jobs/{job.id}/highlights.mp4", params={"max_moments": 2}).content
    assert gateway.left_behind() == []


@pytest.mark.parametrize("name", ["moments/0.mp4", "highlights.mp4"])
def test_players_may_seek_in_a_clip(gateway: Gateway, job: Job, name: str) -> None:
    url = f"/jobs/{job.id}/{name}"
    whole = gateway.http.get(url)
    size, tag = len(whole.content), whole.headers["etag"]
    assert whole.headers["accept-ranges"] == "bytes"
    part = gateway.http.get(url, headers={"Range": "bytes=100-199", "If-Range": tag})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{size}"
    assert gateway.http.get(url, headers={"Range": "bytes=-50"}).content == whole.content[-50:]
    assert gateway.http.get(url, headers={"Range": "bytes=100-199", "If-Range": '"another"'}).status_code == 200
    problem(gateway.http.get(url, headers={"Range": f"bytes={size}-"}), 416)
    assert gateway.left_behind() == []


def test_there_is_no_clip_of_what_is_not_listed(gateway: Gateway, job: Job) -> None:
    assert "no 150" in problem(gateway.http.get(f"/jobs/{job.id}/moments/150.mp4"), 404).detail
    problem(gateway.http.get(f"/jobs/{job.id}/moments/200.mp4"), 422)
    problem(gateway.http.get(f"/jobs/{job.id}/moments/x.mp4"), 422)
    problem(gateway.http.get(f"/jobs/{job.id}/highlights.mp4", params={"signal": "loudness"}), 422)
    problem(gateway.http.get("/jobs/unknown/moments/0.mp4"), 404)


def test_a_video_that_is_gone_or_damaged_has_no_clips(gateway: Gateway, job: Job, video: bytes) -> None:
    stored = video_key(hashlib.sha256(video).hexdigest())
    gateway.storage.write(stored, video[:600])
    assert "No clip can be made" in problem(gateway.http.get(f"/jobs/{job.id}/moments/0.mp4"), 422).detail
    gateway.storage.delete(stored)
    problem(gateway.http.get(f"/jobs/{job.id}/moments/0.mp4"), 410)
    problem(gateway.http.get(f"/jobs/{job.id}/highlights.mp4"), 410)
    assert gateway.left_behind() == []
