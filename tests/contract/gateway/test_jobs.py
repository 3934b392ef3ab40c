"""Jobs: their list, their end, and everything that can be had of a finished one."""

import codecs
import csv
import io
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from framesense.jobs.payloads import VideoPayload
from framesense.novelty.curve import rolling_novelty
from framesense.schemas.jobs import Job, JobList, JobState
from framesense.schemas.novelty import Metric, NoveltyCurve, VideoResult
from framesense.schemas.problems import Problem
from framesense.storage.analyses import VIDEOS, analysis_prefix, video_key
from tests.support.gateway_process import MP4, Gateway, problem
from tests.support.videos import several_videos

UNKNOWN = "0" * 32
CAPTIONS = ["a street"] * 5 + ["=a dog", "a street", "a street"]
WORDS = [[0.0, 1.0], [0.1, 1.0], [0.0, 0.9], [0.0, 1.1], [0.1, 1.0], [5.0, 0.0], [0.0, 1.0], [0.1, 0.9]]


@pytest.fixture
def finished(gateway: Gateway) -> Job:
    job = gateway.submit(MP4 + bytes(range(256)) * 4, name="süd;street.mp4", every_n_second=2, signal="words")
    gateway.analyse(job, CAPTIONS, WORDS)
    return job


def result_of(answer: httpx.Response) -> VideoResult:
    assert answer.status_code == 200, answer.text
    return VideoResult.model_validate(answer.json())


def test_jobs_are_listed_newest_first_and_in_pages(gateway: Gateway) -> None:
    ids = [gateway.submit(MP4, name=f"{n}.mp4").id for n in range(5)]
    page = JobList.model_validate(gateway.http.get("/jobs", params={"limit": 2, "offset": 1}).json())
    assert [job.id for job in page.jobs] == [ids[3], ids[2]]
    assert page.total == 5
    assert gateway.http.get("/jobs", params={"offset": 99}).json() == {"jobs": [], "total": 5, "next_cursor": None}


def test_a_cursor_goes_on_where_a_page_ended(gateway: Gateway) -> None:
    ids = [gateway.submit(MP4, name=f"{n}.mp4").id for n in range(5)]
    query: dict[str, Any] = {"limit": 2, "kind": ["video", "edit"]}
    first = JobList.model_validate(gateway.http.get("/jobs", params=query).json())
    gateway.submit(MP4, name="meanwhile.mp4")
    second = JobList.model_validate(gateway.http.get("/jobs", params={**query, "cursor": first.next_cursor}).json())
    assert [job.id for job in (*first.jobs, *second.jobs)] == ids[:0:-1]
    last = JobList.model_validate(gateway.http.get("/jobs", params={**query, "cursor": second.next_cursor}).json())
    assert ([job.id for job in last.jobs], last.next_cursor) == (ids[:1], None)
    assert gateway.http.get("/jobs", params={"kind": "dataset"}).json()["jobs"] == []


@pytest.mark.parametrize("cursor", ["x", "1-2", "1e9-" + "0" * 32, "-" + "0" * 32, "+inf-" + "0" * 32, "1" * 65])
def test_a_cursor_that_no_page_gave_is_refused(gateway: Gateway, cursor: str) -> None:
    assert "cursor" in problem(gateway.http.get("/jobs", params={"cursor": cursor}), 422).detail


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", 0), ("limit", -1), ("limit", 501), ("limit", "nan"), ("offset", -1), ("offset", "9" * 30)],
)
def test_wrong_pages_are_refused(gateway: Gateway, name: str, value: object) -> None:
    assert name in problem(gateway.http.get("/jobs", params={name: value}), 422).detail


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/events",
        "/result",
        "/novelty",
        "/frames/0.jpg",
        "/frames/0/heatmap.png",
        "/video",
        "/export.csv",
        "/export.json",
        "/export.vtt",
    ],
)
@pytest.mark.parametrize("job_id", [UNKNOWN, "nonsense", "..%2f..%2fetc", "é"])
def test_an_unknown_job_has_nothing(gateway: Gateway, path: str, job_id: str) -> None:
    problem(gateway.http.get(f"/jobs/{job_id}{path}"), 404)


def test_deleting_an_unknown_job_is_a_problem(gateway: Gateway) -> None:
    problem(gateway.http.delete(f"/jobs/{UNKNOWN}"), 404)


def test_the_whole_result(gateway: Gateway, finished: Job) -> None:
    result = result_of(gateway.http.get(f"/jobs/{finished.id}/result"))
    assert [frame.caption for frame in result.frames] == CAPTIONS
    assert [frame.time for frame in result.frames] == [0, 2, 4, 6, 8, 10, 12, 14]
    expected = rolling_novelty(np.array(WORDS, np.float32), window=3, metric=Metric.EUCLIDEAN)
    np.testing.assert_allclose([frame.novelty for frame in result.frames], expected)
    assert result.moments[0].peak == 10
    assert result.moments[0].caption == "=a dog"
    assert result.parameters.every_n_second == 2
    assert result.video.name == "süd;street.mp4"
    for frame in result.frames:
        assert gateway.http.get(frame.thumbnail).content == f"jpeg {frame.index}".encode()


@pytest.mark.parametrize("path", ["result", "novelty", "export.csv"])
def test_an_unfinished_job_has_no_result_yet(gateway: Gateway, path: str) -> None:
    job = gateway.submit(MP4)
    assert "queued" in problem(gateway.http.get(f"/jobs/{job.id}/{path}"), 409).detail
    gateway.jobs.start(job.id)
    assert "running" in problem(gateway.http.get(f"/jobs/{job.id}/{path}"), 409).detail


@pytest.mark.parametrize("path", ["result", "novelty", "export.vtt"])
def test_a_failed_job_answers_its_own_problem(gateway: Gateway, path: str) -> None:
    job = gateway.submit(MP4)
    told = Problem(type="urn:framesense:problem:no-video-stream", title="No video", status=422, detail="Only sound.")
    gateway.jobs.fail(job.id, told)
    answered = problem(gateway.http.get(f"/jobs/{job.id}/{path}"), 422)
    assert (answered.type, answered.title, answered.detail) == (told.type, told.title, told.detail)


def test_a_cancelled_job_is_gone(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    answer = gateway.http.delete(f"/jobs/{job.id}")
    assert answer.status_code == 200
    assert Job.model_validate(answer.json()).state is JobState.CANCELLED
    assert gateway.http.get(f"/jobs/{job.id}").json()["state"] == "cancelled"
    assert "cancelled" in problem(gateway.http.get(f"/jobs/{job.id}/result"), 410).detail


def test_a_running_job_is_cancelled_and_stays_cancelled(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    gateway.jobs.start(job.id)
    assert gateway.http.delete(f"/jobs/{job.id}").json()["state"] == "cancelled"
    assert not gateway.jobs.is_running(job.id)
    assert not gateway.jobs.succeed(job.id, "/late")


def test_a_deleted_job_takes_its_blobs_along_unless_another_needs_them(gateway: Gateway) -> None:
    first = gateway.submit(MP4 + b"shared")
    key = gateway.analyse(first, ["a dog"], [[0, 1]])
    second = gateway.submit(MP4 + b"shared")
    blob = video_key(gateway.jobs.payload(first.id, VideoPayload).video.sha256)

    assert gateway.http.delete(f"/jobs/{first.id}").status_code == 204
    problem(gateway.http.get(f"/jobs/{first.id}"), 404)
    assert result_of(gateway.http.get(f"/jobs/{second.id}/result")).frames[0].caption == "a dog"
    assert gateway.http.get(f"/jobs/{second.id}/video").content == MP4 + b"shared"

    begun = "0" * 32  # with a model that has changed since
    gateway.storage.write(f"{analysis_prefix(begun)}/chunks/00000000.npz", b"")
    payload = gateway.jobs.payload(second.id, VideoPayload)
    gateway.jobs.save_payload(second.id, payload.model_copy(update={"earlier": (begun,)}))
    assert gateway.http.delete(f"/jobs/{second.id}").status_code == 204
    assert not gateway.storage.exists(blob)
    assert gateway.analyses.load(key) is None
    assert not gateway.storage.list(f"{analysis_prefix(begun)}/chunks")
    assert gateway.submit(MP4 + b"shared").state is JobState.QUEUED


def test_another_curve_costs_no_caption(gateway: Gateway, finished: Job) -> None:
    asked = gateway.captioner.calls
    query: dict[str, str | float] = {"metric": "cosine", "rolling_window_size": 1, "signal": "sentence"}
    query |= {"sensitivity": 0.7, "max_moments": 3}
    answer = gateway.http.get(f"/jobs/{finished.id}/novelty", params=query)
    curve = NoveltyCurve.model_validate(answer.json())
    expected = rolling_novelty(np.array(WORDS, np.float32), window=1, metric=Metric.COSINE)
    np.testing.assert_allclose(curve.novelty, expected)
    assert curve.parameters.model_dump(mode="json", exclude_none=True) == query
    assert gateway.captioner.calls == asked


def test_what_is_left_out_is_the_jobs_own(gateway: Gateway) -> None:
    job = gateway.submit(MP4, metric="cosine", rolling_window_size=5)
    gateway.analyse(job, CAPTIONS, WORDS)
    curve = NoveltyCurve.model_validate(
        gateway.http.get(f"/jobs/{job.id}/novelty", params={"signal": "sentence"}).json()
    )
    assert curve.parameters.model_dump(mode="json", exclude_none=True) == {
        "metric": "cosine",
        "rolling_window_size": 5,
        "signal": "sentence",
        "sensitivity": 0.5,
        "max_moments": 20,
    }


@pytest.mark.parametrize("path", ["novelty", "export.csv"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("metric", "manhattan"), ("rolling_window_size", 0), ("rolling_window_size", "nan"), ("signal", ""), ("windo", 2)],
)
def test_wrong_curves_are_refused(gateway: Gateway, finished: Job, path: str, name: str, value: object) -> None:
    assert name in problem(gateway.http.get(f"/jobs/{finished.id}/{path}", params={name: value}), 422).detail


def test_thumbnails_are_there_before_the_job_ends(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    problem(gateway.http.get(f"/jobs/{job.id}/frames/0.jpg"), 404)
    gateway.analyse(job, ["a dog"], [[0, 1]])
    assert gateway.http.get(f"/jobs/{job.id}/frames/0.jpg").content == b"jpeg 0"


def test_thumbnails_can_be_cached(gateway: Gateway, finished: Job) -> None:
    url = f"/jobs/{finished.id}/frames/1.jpg"
    answer = gateway.http.get(url)
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    again = gateway.http.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("index", "status"), [("8", 404), ("-1", 422), ("x", 422), ("9" * 40, 422), ("..%2fsource", 404)]
)
def test_other_thumbnails_are_refused(gateway: Gateway, finished: Job, index: str, status: int) -> None:
    problem(gateway.http.get(f"/jobs/{finished.id}/frames/{index}.jpg"), status)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-9", 0, 9), ("bytes=100-", 100, None), ("bytes=-7", -7, None), ("bytes=5-99999999", 5, None)],
)
def test_a_range_of_the_video(gateway: Gateway, asked: str, first: int, last: int | None) -> None:
    video = MP4 + bytes(range(256)) * 4
    job = gateway.submit(video)
    answer = gateway.http.get(f"/jobs/{job.id}/video", headers={"Range": asked})
    expected = video[first : None if last is None else last + 1]
    assert answer.status_code == 206
    assert answer.content == expected
    start = len(video) + first if first < 0 else first
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(video)}"


def test_the_whole_video(gateway: Gateway) -> None:
    video = MP4 + bytes(range(256)) * 500
    job = gateway.submit(video)
    for headers in (
        {},
        {"Range": "bytes=0-1,4-5"},
        {"Range": "frames=1-2"},
        {"Range": "bytes=0-1", "If-Range": '"old"'},
    ):
        answer = gateway.http.get(f"/jobs/{job.id}/video", headers=headers)
        assert answer.status_code == 200
        assert answer.content == video
        assert answer.headers["content-type"] == "video/mp4"
        assert answer.headers["accept-ranges"] == "bytes"


def test_of_several_videos_the_one_that_was_looked_at_is_sent(gateway: Gateway, tmp_path: Path) -> None:
    video = several_videos(tmp_path / "two.mp4", [(192, 128, 30), (96, 64, 20)]).read_bytes()
    job = gateway.submit(video, video_stream=1)
    address = f"/jobs/{job.id}/video"
    whole = gateway.http.get(address)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    (tmp_path / "sent.mp4").write_bytes(whole.content)
    with av.open(str(tmp_path / "sent.mp4")) as sent:
        assert [(stream.width, stream.height) for stream in sent.streams.video] == [(96, 64)]
        assert len(list(sent.decode(video=0))) == 20
    part = gateway.http.get(address, headers={"Range": "bytes=100-199", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert gateway.http.get(f"/jobs/{gateway.submit(video).id}/video").content == video, "the file's own order"
    assert len(gateway.storage.list(gateway.storage.list(VIDEOS)[0])) == 2
    for one in gateway.jobs.page().jobs:
        gateway.http.delete(f"/jobs/{one.id}")
        gateway.http.delete(f"/jobs/{one.id}")
    assert gateway.storage.list(VIDEOS) == []
    assert gateway.left_behind() == []


def test_a_video_of_which_no_picture_can_be_sent_by_itself_is_refused(gateway: Gateway) -> None:
    job = gateway.submit(MP4 + bytes(100), video_stream=1)
    assert problem(gateway.http.get(f"/jobs/{job.id}/video"), 422).detail.startswith("No clip can be made")


@pytest.mark.parametrize("asked", ["bytes=5000-", "bytes=9-3", "bytes=-0"])
def test_a_range_outside_the_video_is_refused(gateway: Gateway, asked: str) -> None:
    job = gateway.submit(MP4 + bytes(100))
    answer = gateway.http.get(f"/jobs/{job.id}/video", headers={"Range": asked})
    problem(answer, 416)
    assert answer.headers["content-range"] == f"bytes */{len(MP4) + 100}"


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (MP4, "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "video/x-matroska"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "video/x-msvideo"),
        (b"\x01\x02\x03\x04", "application/octet-stream"),
    ],
)
def test_a_video_is_served_as_what_it_is(gateway: Gateway, head: bytes, media_type: str) -> None:
    answer = gateway.http.get(f"/jobs/{gateway.submit(head + bytes(64)).id}/video")
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_exports(gateway: Gateway, finished: Job) -> None:
    result = result_of(gateway.http.get(f"/jobs/{finished.id}/result"))
    table = gateway.http.get(f"/jobs/{finished.id}/export.csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.content.startswith(codecs.BOM_UTF8)  # spreadsheets know UTF-8 by it
    assert table.headers["content-disposition"] == "attachment; filename*=UTF-8''s%C3%BCd%3Bstreet.mp4.csv"
    rows = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"))))
    assert [float(row["novelty"]) for row in rows] == pytest.approx([f.novelty for f in result.frames], abs=1e-6)
    assert rows[5]["caption"] == "'=a dog"
    assert result_of(gateway.http.get(f"/jobs/{finished.id}/export.json")) == result
    subtitles = gateway.http.get(f"/jobs/{finished.id}/export.vtt")
    assert subtitles.headers["content-type"] == "text/vtt; charset=utf-8"
    assert subtitles.text.startswith("WEBVTT\n\n0\n00:00:00.000 --> 00:00:02.000\na street\n")


def test_a_csv_may_have_another_separator(gateway: Gateway, finished: Job) -> None:
    url = f"/jobs/{finished.id}/export.csv"
    plain = gateway.http.get(url).text
    semicolons = gateway.http.get(url, params={"separator": ";", "metric": "euclidean"}).text
    assert plain.splitlines()[0].replace(",", ";") == semicolons.splitlines()[0]
    assert ";0,000;" in semicolons, "with decimal commas"
    assert "\t0.000\t" in gateway.http.get(url, params={"separator": "tab"}).text
    problem(gateway.http.get(url, params={"separator": "|"}), 422)
    refused = problem(gateway.http.get(f"/jobs/{finished.id}/export.json", params={"separator": ";"}), 422)
    assert refused.type.endswith(":no-separator")


def test_an_export_may_ask_for_another_curve(gateway: Gateway, finished: Job) -> None:
    query: dict[str, str | int] = {"metric": "cosine", "rolling_window_size": 1}
    exported = result_of(gateway.http.get(f"/jobs/{finished.id}/export.json", params=query))
    curve = NoveltyCurve.model_validate(gateway.http.get(f"/jobs/{finished.id}/novelty", params=query).json())
    assert [frame.novelty for frame in exported.frames] == curve.novelty
    assert exported.parameters.metric is Metric.COSINE


def test_an_unknown_export_is_refused(gateway: Gateway, finished: Job) -> None:
    assert "csv" in problem(gateway.http.get(f"/jobs/{finished.id}/export.xlsx"), 422).detail
