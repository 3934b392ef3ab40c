"""Videos in: what is taken, what is refused and in which words, and what is left behind (nothing)."""

import os
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from redis import Redis

from framesense.jobs.payloads import VideoPayload
from framesense.schemas.jobs import Job, JobState
from framesense.schemas.novelty import VideoResult
from framesense.schemas.problems import Problem
from framesense.storage.analyses import video_key
from tests.support.gateway_process import MODEL, MP4, Gateway, problem
from tests.support.waiting import wait_until

LIMIT = 200_000


def post(gateway: Gateway, video: bytes, name: str = "clip.mp4", **options: object) -> httpx.Response:
    return gateway.http.post("/video_captions", files={"video": (name, video)}, **options)  # type: ignore[arg-type]


def assert_nothing_left(gateway: Gateway) -> None:
    assert gateway.left_behind() == []
    assert gateway.storage.list("videos") == []
    assert gateway.jobs.page().total == 0


def test_a_video_becomes_a_queued_job(gateway: Gateway, redis_url: str) -> None:
    video = MP4 + os.urandom(150_000)
    answer = post(gateway, video, "../Süd street.mp4", params={"every_n_second": 2.5, "metric": "cosine"})
    assert answer.status_code == 202
    job = Job.model_validate(answer.json())
    assert answer.headers["location"] == f"/jobs/{job.id}"
    assert job.state is JobState.QUEUED
    assert job.name == "Süd street.mp4"
    assert job.parameters == {
        "every_n_second": 2.5,
        "metric": "cosine",
        "rolling_window_size": 3,
        "video_stream": None,
        "signal": "auto",
        "reference": None,
        "sensitivity": 0.5,
        "max_moments": 20,
    }
    payload = gateway.jobs.payload(job.id, VideoPayload)
    assert gateway.storage.read(video_key(payload.video.sha256)) == video
    assert payload.video.bytes == len(video)
    with Redis.from_url(redis_url) as redis:
        assert redis.llen("video") == 1
    assert gateway.left_behind() == []


def test_parameters_may_be_form_fields(gateway: Gateway) -> None:
    answer = post(gateway, MP4, data={"every_n_second": "1", "rolling_window_size": "7", "signal": "sentence"})
    assert answer.json()["parameters"] == {
        "every_n_second": 1,
        "metric": "euclidean",
        "rolling_window_size": 7,
        "video_stream": None,
        "signal": "sentence",
        "reference": None,
        "sensitivity": 0.5,
        "max_moments": 20,
    }


def test_a_parameter_in_query_and_form_is_taken_where_both_agree(gateway: Gateway) -> None:
    both = {"params": {"every_n_second": "2", "metric": "cosine"}, "data": {"every_n_second": "2.0"}}
    assert post(gateway, MP4, **both).json()["parameters"]["every_n_second"] == 2
    refused = problem(post(gateway, MP4, params={"every_n_second": "2"}, data={"every_n_second": "3"}), 422)
    assert refused.detail == "every_n_second: The query and the form differ. Send it once."


@pytest.mark.parametrize("where", ["params", "data"])
@pytest.mark.parametrize("spelt", ["auto", "Auto", " AUTO"])
def test_the_interval_auto_may_be_written_anyhow(gateway: Gateway, where: str, spelt: str) -> None:
    answer = post(gateway, MP4, **{where: {"every_n_second": spelt}})
    assert answer.json()["parameters"]["every_n_second"] == "auto", answer.text


@pytest.mark.parametrize("where", ["params", "data"])
def test_a_wrong_interval_is_told_what_may_be_there(gateway: Gateway, where: str) -> None:
    refused = problem(post(gateway, MP4, **{where: {"every_n_second": "often"}}), 422)
    assert "a valid number" in refused.detail and "in seconds, or 'auto'" in refused.detail


def test_a_job_that_waits_is_told_its_place(gateway: Gateway) -> None:
    places = [post(gateway, MP4 + os.urandom(9)).json()["queue_position"] for _ in range(3)]
    assert places == [0, 1, 2]


@pytest.mark.parametrize("form", ["multipart", "urlencoded"])
def test_a_name_instead_of_the_file_is_told_so(gateway: Gateway, form: str) -> None:
    sent = {"files": {"video": (None, "street.mp4")}} if form == "multipart" else {"data": {"video": "street.mp4"}}
    refused = problem(gateway.http.post("/video_captions", **sent), 422)  # type: ignore[arg-type]
    assert refused.type.endswith(":not-a-file") and "curl -F video=@FILE" in refused.detail


@pytest.mark.parametrize("name", ["upload_id", "job_id"])
def test_an_empty_id_is_none(gateway: Gateway, name: str) -> None:
    assert "one of the three" in problem(gateway.http.post("/video_captions", data={name: ""}), 422).detail
    assert "one of the two" in problem(gateway.http.get("/video_captions/plan", params={name: ""}), 422).detail


@pytest.mark.parametrize("where", ["params", "data"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("every_n_second", "0"),
        ("every_n_second", "-1"),
        ("every_n_second", "nan"),
        ("every_n_second", "inf"),
        ("every_n_second", "1e300"),
        ("every_n_second", "ten"),
        ("every_n_second", ""),
        ("metric", "manhattan"),
        ("metric", "euclidian"),
        ("rolling_window_size", "0"),
        ("rolling_window_size", "-3"),
        ("rolling_window_size", "1001"),
        ("rolling_window_size", "2.5"),
        ("rolling_window_size", "9" * 400),
        ("signal", "loudness"),
        ("reference", "../x"),
        ("every_n_seconds", "5"),
    ],
)
def test_wrong_parameters_are_refused(gateway: Gateway, where: str, name: str, value: str) -> None:
    answer = post(gateway, MP4, **{where: {name: value}})
    faults = problem(answer, 422).model_extra
    assert faults is not None
    assert [fault["parameter"] for fault in faults["faults"]] == [name]
    assert_nothing_left(gateway)


def test_all_faults_are_told_at_once(gateway: Gateway) -> None:
    answer = post(gateway, MP4, params={"every_n_second": "nan", "metric": "x", "rolling_window_size": 0})
    told = problem(answer, 422)
    assert all(name in told.detail for name in ("every_n_second", "metric", "rolling_window_size"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"just some words\n", "text"),
        ("Grüße aus dem Süden\n".encode() * 300, "text"),
        (b"<!doctype html><p>hello", "text"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "text"),
        (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5000), "a PNG image"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a JPEG image"),
        (b"GIF89a" + bytes(100), "a GIF image"),
        (b"%PDF-1.7" + bytes(100), "a PDF document"),
        (b"RIFF\x00\x00\x00\x00WAVE" + bytes(100), "a WAV sound file"),
        (b"RIFF\x00\x00\x00\x00WEBP" + bytes(100), "a WebP image"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(100), "a HEIC image"),
    ],
)
def test_what_is_plainly_no_video_is_refused_by_its_content(gateway: Gateway, content: bytes, kind: str) -> None:
    assert kind in problem(post(gateway, content, "holiday.mp4"), 415).detail
    assert_nothing_left(gateway)


BEGINNINGS = {
    "mp4": MP4,
    "matroska": b"\x1a\x45\xdf\xa3",
    "avi": b"RIFF\x00\x00\x00\x00AVI LIST",
    "flash": b"FLV\x01\x05",
    "ogg": b"OggS\x00\x02",
    "mpeg-ps": b"\x00\x00\x01\xba",
    "mpeg-ts": (b"\x47\x40\x00\x10\x00" + b"\xff" * 183) * 3,
    "asf": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    "unknown": bytes(range(256)) * 20,
}


@pytest.mark.parametrize("content", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_containers_and_unknown_bytes_go_on_to_the_worker(gateway: Gateway, content: bytes) -> None:
    assert post(gateway, content).status_code == 202


def test_an_empty_file_is_refused(gateway: Gateway) -> None:
    assert "empty.mp4 is empty" in problem(post(gateway, b"", "empty.mp4"), 422).detail
    assert_nothing_left(gateway)


def test_a_file_at_the_limit_is_taken(gateway: Gateway) -> None:
    assert post(gateway, MP4 + bytes(LIMIT - len(MP4))).status_code == 202


def test_a_declared_length_over_the_limit_is_refused_before_anything_is_sent(gateway: Gateway) -> None:
    host = urlsplit(str(gateway.http.base_url))
    with socket.create_connection((host.hostname, host.port)) as connection:
        connection.sendall(
            b"POST /video_captions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\n"
            b"Content-Length: 5000000000\r\n\r\n"
        )
        head = connection.recv(4096).decode()
    assert head.startswith("HTTP/1.1 413")


def test_an_upload_over_the_limit_is_refused_while_it_arrives(gateway: Gateway) -> None:
    answered = threading.Event()

    def endless() -> Iterator[bytes]:
        yield b'--B\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n' + MP4
        # Ends only once it is refused: a server that waited for the end would never answer.
        while not answered.is_set():
            yield bytes(65536)

    host = urlsplit(str(gateway.http.base_url))
    with socket.create_connection((host.hostname, host.port)) as connection:
        connection.sendall(
            b"POST /video_captions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        connection.settimeout(0.01)
        head = b""
        for chunk in endless():
            connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            try:
                head += connection.recv(4096)
            except TimeoutError:
                continue
            answered.set()
    assert head.startswith(b"HTTP/1.1 413")
    assert b"200,000 bytes" in head
    assert_nothing_left(gateway)
    assert post(gateway, MP4).status_code == 202


def test_a_client_that_hangs_up_midway_leaves_nothing(gateway: Gateway) -> None:
    host = urlsplit(str(gateway.http.base_url))
    with socket.create_connection((host.hostname, host.port)) as connection:
        connection.sendall(
            b"POST /video_captions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\n"
            b"Content-Length: 100000\r\n\r\n--B\r\n"
            b'Content-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n' + MP4 + bytes(5000)
        )
        wait_until(lambda: gateway.left_behind() != [])
    wait_until(lambda: gateway.left_behind() == [])
    assert_nothing_left(gateway)
    assert post(gateway, MP4).status_code == 202


def test_a_silent_client_is_given_up(gateway: Gateway) -> None:
    host = urlsplit(str(gateway.http.base_url))
    with socket.create_connection((host.hostname, host.port)) as connection:
        connection.sendall(
            b"POST /video_captions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=B\r\n"
            b"Content-Length: 100000\r\n\r\n--B\r\n"
            b'Content-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n' + MP4
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
    assert_nothing_left(gateway)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "word"),
    [
        (b"", None, 422, "-F video=@FILE"),
        (MP4, "video/mp4", 415, "multipart/form-data"),
        (b"{}", "application/json", 415, "multipart/form-data"),
        (b"--B\r\nnonsense", "multipart/form-data; boundary=B", 400, "cannot be read"),
        (b"no boundary at all", "multipart/form-data; boundary=B", 400, "cannot be read"),
        (b"--B\r\n\r\n", f"multipart/form-data; boundary={'B' * 300}", 400, "cannot be read"),
        (b"--B\r\n\r\n", "multipart/form-data", 400, "names no boundary"),
        (b"a=" + b"b" * 70_000, "application/x-www-form-urlencoded", 413, "fields"),
        (b"upload_id=../../etc/passwd", "application/x-www-form-urlencoded", 404, "no upload"),
    ],
)
def test_other_bodies_are_refused_in_words(
    gateway: Gateway, body: bytes, content_type: str | None, status: int, word: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = gateway.http.post("/video_captions", content=body, headers=headers)
    assert word in problem(answer, status).detail
    assert_nothing_left(gateway)


def test_a_form_cut_off_before_its_end_is_refused(gateway: Gateway) -> None:
    body = b'--B\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n' + MP4 + bytes(9000)
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = gateway.http.post("/video_captions", content=body, headers=headers)
    assert "closing boundary" in problem(answer, 400).detail
    assert_nothing_left(gateway)


def test_a_file_in_another_field_and_a_second_file_are_refused(gateway: Gateway) -> None:
    answer = gateway.http.post("/video_captions", files={"file": ("a.mp4", MP4)})
    assert "'video'" in problem(answer, 422).detail
    answer = gateway.http.post("/video_captions", files=[("video", ("a.mp4", MP4)), ("video", ("b.mp4", MP4))])
    assert "one file" in problem(answer, 422).detail
    assert_nothing_left(gateway)


def test_the_same_question_is_answered_from_the_store_without_queueing(gateway: Gateway, redis_url: str) -> None:
    first = gateway.submit(MP4 + b"same", name="first.mp4", every_n_second=5)
    gateway.analyse(first, ["a dog", "a cat"], [[0, 1], [1, 0]])
    with Redis.from_url(redis_url) as redis:
        redis.delete("video")
        again = gateway.submit(MP4 + b"same", name="second.mp4", every_n_second=5, metric="cosine")
        assert again.state is JobState.SUCCEEDED
        assert again.progress.done == again.progress.total == 2
        assert again.result_url == f"/jobs/{again.id}/result"
        assert redis.llen("video") == 0
        result = VideoResult.model_validate(gateway.http.get(again.result_url).json())
        assert result.video.name == "second.mp4"
        assert [frame.novelty for frame in result.frames] == [0, 1]

        other = gateway.submit(MP4 + b"same", every_n_second=6)
        assert other.state is JobState.QUEUED
        assert redis.llen("video") == 1


def test_an_earlier_video_needs_not_be_sent_again(gateway: Gateway) -> None:
    first = gateway.submit(MP4 + b"sent once", name="first.mp4", every_n_second=5)
    answer = gateway.http.post("/video_captions", data={"job_id": first.id, "every_n_second": "2"})
    again = Job.model_validate(answer.raise_for_status().json())
    assert (again.name, again.state, again.parameters["every_n_second"]) == ("first.mp4", JobState.QUEUED, 2)
    videos = [gateway.http.get(f"/jobs/{job.id}/video").content for job in (first, again)]
    assert videos[0] == videos[1] == MP4 + b"sent once"


def test_an_earlier_video_that_is_gone_or_unknown_is_told(gateway: Gateway) -> None:
    first = gateway.submit(MP4 + b"lost", name="first.mp4", every_n_second=5)
    gateway.storage.delete(video_key(gateway.jobs.payload(first.id, VideoPayload).video.sha256))
    before = gateway.http.get("/jobs").json()["total"]
    answer = gateway.http.post("/video_captions", data={"job_id": first.id})
    assert "Send it again" in problem(answer, 410).detail
    assert "no job" in problem(gateway.http.post("/video_captions", data={"job_id": "nope"}), 404).detail
    both = {"job_id": first.id, "upload_id": "x"}
    assert "one of the three" in problem(gateway.http.post("/video_captions", data=both), 422).detail
    assert gateway.http.get("/jobs").json()["total"] == before


def test_without_the_captioner_a_known_video_is_queued_all_the_same(fresh_gateway: Gateway) -> None:
    fresh_gateway.captioner.failure = 503
    fresh_gateway.analyse(fresh_gateway.submit(MP4), ["a dog"], [[0, 1]])
    assert fresh_gateway.submit(MP4).state is JobState.QUEUED


def test_once_another_captioner_answers_a_known_video_is_queued(fresh_gateway: Gateway) -> None:
    fresh_gateway.analyse(fresh_gateway.submit(MP4), ["a dog"], [[0, 1]])
    assert fresh_gateway.submit(MP4).state is JobState.SUCCEEDED
    fresh_gateway.captioner.model = MODEL.model_copy(update={"revision": "another"})
    assert fresh_gateway.submit(MP4).state is JobState.QUEUED


def test_prefer_wait_answers_the_result(gateway: Gateway) -> None:
    gateway.analyse(gateway.submit(MP4), ["a dog"], [[0, 1]])
    answer = post(gateway, MP4, params={"every_n_second": 10}, headers={"Prefer": "respond-async, wait=20"})
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=20"
    assert [frame.caption for frame in VideoResult.model_validate(answer.json()).frames] == ["a dog"]


def test_prefer_wait_answers_the_job_when_the_time_is_over(gateway: Gateway) -> None:
    answer = post(gateway, MP4, headers={"Prefer": "wait=0"})
    assert answer.status_code == 202
    answer = post(gateway, MP4, headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"


@pytest.mark.parametrize("prefer", ["wait=nan", "wait=-5", "wait", "wait=1e9", "wait=" + "9" * 50, "handling=strict"])
def test_a_malformed_preference_is_ignored(gateway: Gateway, prefer: str) -> None:
    assert post(gateway, MP4, headers={"Prefer": prefer}).status_code == 202


def test_prefer_wait_answers_the_problem_of_a_job_that_fails(gateway: Gateway) -> None:
    told = Problem(type="urn:framesense:problem:no-video-stream", title="No video", status=422, detail="Only sound.")

    def fail_the_job() -> None:
        wait_until(lambda: gateway.jobs.page().total == 1)
        gateway.jobs.fail(gateway.jobs.page().jobs[0].id, told)

    worker = threading.Thread(target=fail_the_job)
    worker.start()
    answer = post(gateway, MP4, headers={"Prefer": "wait=20"})
    worker.join()
    assert problem(answer, 422).detail == "Only sound."
