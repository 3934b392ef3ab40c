"""Resumable uploads: what a tus 1.0 client relies on, and what a bad one gets."""

import base64
import os
import socket
import threading
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from framesense.jobs.payloads import PhotoSetPayload, VideoPayload
from framesense.storage.analyses import video_key
from framesense.storage.photo_sets import photo_set_key
from tests.support.gateway_process import MP4, Gateway, problem, running_gateway
from tests.support.photos import photo, zipped
from tests.support.waiting import wait_until

TUS = {"Tus-Resumable": "1.0.0"}
PATCH = {**TUS, "Content-Type": "application/offset+octet-stream"}


def create(gateway: Gateway, length: object, name: str = "clip.mp4", **headers: str) -> httpx.Response:
    metadata = f"filename {base64.b64encode(name.encode()).decode()},filetype,is_final YWI="
    sent = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata, **headers}
    return gateway.http.post("/uploads", headers=sent)


def created(gateway: Gateway, length: int, name: str = "clip.mp4") -> str:
    """Its URL."""
    answer = create(gateway, length, name)
    assert answer.status_code == 201, answer.text
    assert answer.headers["upload-offset"] == "0"
    return answer.headers["location"]


def patch(gateway: Gateway, url: str, offset: object, body: bytes, **headers: str) -> httpx.Response:
    return gateway.http.patch(url, content=body, headers={**PATCH, "Upload-Offset": str(offset), **headers})


def offset(gateway: Gateway, url: str) -> int:
    answer = gateway.http.head(url, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["tus-resumable"] == "1.0.0"
    return int(answer.headers["upload-offset"])


def test_what_the_server_can_do(gateway: Gateway) -> None:
    answer = gateway.http.options("/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,creation-with-upload,termination,expiration"
    assert answer.headers["tus-max-size"] == "250000"
    assert (answer.headers["max-video-size"], answer.headers["max-photo-set-size"]) == ("200000", "250000")


def test_a_video_may_not_be_as_large_as_a_photo_set(gateway: Gateway) -> None:
    size = 220_000
    url = created(gateway, size)
    assert "200,000 bytes" in problem(patch(gateway, url, 0, MP4 + bytes(10_000)), 413).detail
    assert gateway.left_behind() == []
    archive = zipped({f"{n}.png": os.urandom(20_000) for n in range(11)})
    url = created(gateway, len(archive), "set.zip")
    assert patch(gateway, url, 0, archive).status_code == 204
    answer = gateway.http.post("/photo-sets", data={"upload_id": url.rsplit("/", 1)[-1], "labels": "red"})
    assert answer.status_code == 202, answer.text


def test_an_upload_in_parts_becomes_a_job(gateway: Gateway) -> None:
    video = MP4 + os.urandom(150_000)
    url = created(gateway, len(video), "Süd street.mp4")
    for start in range(0, len(video), 60_000):
        answer = patch(gateway, url, start, video[start : start + 60_000])
        assert answer.status_code == 204
        assert int(answer.headers["upload-offset"]) == offset(gateway, url) == min(start + 60_000, len(video))
        assert parsedate_to_datetime(answer.headers["upload-expires"]).timestamp() > time.time()

    form = {"upload_id": url.rsplit("/", 1)[-1], "every_n_second": "2"}
    answer = gateway.http.post("/video_captions", data=form)
    assert answer.status_code == 202
    job = answer.json()
    assert job["name"] == "Süd street.mp4"
    assert job["parameters"]["every_n_second"] == 2
    sha256 = gateway.jobs.payload(job["id"], VideoPayload).video.sha256
    assert gateway.storage.read(video_key(sha256)) == video
    assert gateway.left_behind() == []
    problem(gateway.http.post("/video_captions", data=form), 404)


def test_an_upload_id_may_come_in_a_multipart_form(gateway: Gateway) -> None:
    url = created(gateway, len(MP4))
    patch(gateway, url, 0, MP4)
    body = f'--B\r\nContent-Disposition: form-data; name="upload_id"\r\n\r\n{url.rsplit("/", 1)[-1]}\r\n--B--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    assert gateway.http.post("/video_captions", content=body, headers=headers).status_code == 202


def test_a_dropped_connection_keeps_what_arrived(gateway: Gateway) -> None:
    video = MP4 + bytes(90_000)
    url = created(gateway, len(video))
    host = urlsplit(str(gateway.http.base_url))
    with socket.create_connection((host.hostname, host.port)) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in PATCH.items())
        request = (
            f"PATCH {url} HTTP/1.1\r\nHost: localhost\r\n{head}Upload-Offset: 0\r\nContent-Length: {len(video)}\r\n\r\n"
        )
        connection.sendall(request.encode() + video[:40_000])
        wait_until(lambda: offset(gateway, url) > 0)
    wait_until(lambda: patch(gateway, url, 10**9, b"").status_code == 409)  # not 423: the broken request has ended
    arrived = offset(gateway, url)
    assert arrived <= 40_000
    assert patch(gateway, url, arrived, video[arrived:]).status_code == 204
    assert offset(gateway, url) == len(video)
    answer = gateway.http.post("/video_captions", data={"upload_id": url.rsplit("/", 1)[-1]})
    sha256 = gateway.jobs.payload(answer.json()["id"], VideoPayload).video.sha256
    assert gateway.storage.read(video_key(sha256)) == video


def test_a_silent_part_is_given_up_and_what_arrived_is_kept(gateway: Gateway) -> None:
    url = created(gateway, 5000)
    host = urlsplit(str(gateway.http.base_url))
    with socket.create_connection((host.hostname, host.port)) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in PATCH.items())
        request = f"PATCH {url} HTTP/1.1\r\nHost: localhost\r\n{head}Upload-Offset: 0\r\nContent-Length: 5000\r\n\r\n"
        connection.sendall(request.encode() + MP4)
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
    assert offset(gateway, url) == len(MP4)


def test_another_offset_is_refused(gateway: Gateway) -> None:
    url = created(gateway, 100)
    assert "byte 0" in problem(patch(gateway, url, 10, MP4), 409).detail
    assert patch(gateway, url, 0, MP4).status_code == 204
    assert f"byte {len(MP4)}" in problem(patch(gateway, url, 0, MP4), 409).detail


def test_more_than_announced_is_refused(gateway: Gateway) -> None:
    url = created(gateway, 50)
    problem(patch(gateway, url, 0, MP4 + bytes(100)), 413)
    assert offset(gateway, url) <= 50
    assert patch(gateway, url, offset(gateway, url), bytes(50 - offset(gateway, url))).status_code == 204


def test_an_incomplete_upload_is_no_video_yet(gateway: Gateway) -> None:
    url = created(gateway, 100)
    patch(gateway, url, 0, MP4)
    answer = gateway.http.post("/video_captions", data={"upload_id": url.rsplit("/", 1)[-1]})
    assert f"{len(MP4)} of 100 bytes" in problem(answer, 409).detail
    assert gateway.jobs.page().total == 0


@pytest.mark.parametrize("length", [0, -1, 250_001, 10**30, "x", "nan", "1.5"])
def test_wrong_lengths_are_refused(gateway: Gateway, length: object) -> None:
    status = 413 if isinstance(length, int) and length > 0 else 422
    problem(create(gateway, length), status)
    assert gateway.left_behind() == []


def test_a_missing_length_and_bad_metadata_are_refused(gateway: Gateway) -> None:
    problem(gateway.http.post("/uploads", headers=TUS), 400)
    problem(create(gateway, 10, **{"Upload-Metadata": "filename ***"}), 400)
    problem(create(gateway, 10, **{"Upload-Metadata": "filename /w=="}), 400)


def test_names_are_made_plain(gateway: Gateway) -> None:
    url = created(gateway, len(MP4), "../../etc/\x1b[31mpasswd")
    patch(gateway, url, 0, MP4)
    job = gateway.http.post("/video_captions", data={"upload_id": url.rsplit("/", 1)[-1]}).json()
    assert job["name"] == "[31mpasswd"


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
def test_another_version_of_the_protocol_is_refused(gateway: Gateway, method: str) -> None:
    url = "/uploads" if method == "POST" else created(gateway, 10)
    for headers in ({}, {"Tus-Resumable": "0.2.2"}):
        sent = {**headers, "Upload-Offset": "0", "Upload-Length": "10", "Content-Type": PATCH["Content-Type"]}
        answer = gateway.http.request(method, url, headers=sent)
        assert answer.status_code == 412
        assert answer.headers["tus-version"] == "1.0.0"


@pytest.mark.parametrize("upload_id", ["0" * 32, "x", "..%2f..%2fetc%2fpasswd", "é" * 32, "%00"])
@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE"])
def test_an_unknown_upload_is_a_problem(gateway: Gateway, method: str, upload_id: str) -> None:
    answer = gateway.http.request(method, f"/uploads/{upload_id}", headers={**PATCH, "Upload-Offset": "0"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [("Upload-Offset", "-1", 422), ("Upload-Offset", "x", 422), ("Content-Type", "video/mp4", 415)],
)
def test_wrong_parts_are_refused(gateway: Gateway, name: str, value: str, status: int) -> None:
    url = created(gateway, 100)
    problem(patch(gateway, url, 0, MP4, **{name: value}), status)
    assert offset(gateway, url) == 0


def test_a_zip_of_photos_comes_the_same_way_and_is_no_video(gateway: Gateway) -> None:
    photos = zipped({"a/1.jpg": photo("red")})
    url = created(gateway, len(photos), "set.zip")
    assert patch(gateway, url, 0, photos).status_code == 204
    upload_id = url.rsplit("/", 1)[1]
    as_video = gateway.http.post("/video_captions", files={"upload_id": (None, upload_id)})
    assert "a ZIP archive, not a video" in problem(as_video, 415).detail
    both = gateway.http.post(
        "/photo-sets", files={"photos": ("set.zip", photos)}, data={"upload_id": upload_id, "labels": "red"}
    )
    problem(both, 422)
    answer = gateway.http.post("/photo-sets", files={"upload_id": (None, upload_id)}, data={"labels": "red"})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["kind"], job["name"]) == ("dataset", "set.zip")
    assert "upload_id" not in job["parameters"]
    assert gateway.storage.read(photo_set_key(gateway.jobs.payload(job["id"], PhotoSetPayload).photos.sha256)) == photos
    assert gateway.left_behind() == []


def test_a_video_is_no_set_of_photos(gateway: Gateway) -> None:
    url = created(gateway, len(MP4), "clip.mp4")
    assert patch(gateway, url, 0, MP4).status_code == 204
    fields = {"upload_id": (None, url.rsplit("/", 1)[1])}
    refused = gateway.http.post("/photo-sets", files=fields, data={"labels": "red"})
    assert "not a zip archive" in problem(refused, 415).detail


def test_what_is_plainly_no_video_is_refused_and_forgotten(gateway: Gateway) -> None:
    url = created(gateway, 100_000, "notes.mp4")
    assert "text" in problem(patch(gateway, url, 0, b"words " * 1000), 415).detail
    assert gateway.http.head(url, headers=TUS).status_code == 404
    assert gateway.left_behind() == []


def test_an_upload_can_be_given_up(gateway: Gateway) -> None:
    url = created(gateway, 100)
    assert gateway.http.delete(url, headers=TUS).status_code == 204
    assert gateway.http.head(url, headers=TUS).status_code == 404
    assert gateway.left_behind() == []


def test_two_writers_are_kept_apart(gateway: Gateway) -> None:
    video = MP4 + bytes(100_000)
    url = created(gateway, len(video))
    answers: list[int] = []

    def write() -> None:
        with httpx.Client(base_url=gateway.http.base_url, timeout=30) as http:
            answers.append(http.patch(url, content=video, headers={**PATCH, "Upload-Offset": "0"}).status_code)

    writers = [threading.Thread(target=write) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert answers.count(204) == 1
    assert set(answers) <= {204, 409, 423}
    assert offset(gateway, url) == len(video)


def test_uploads_nobody_touches_expire(redis_url: str, tmp_path: Path) -> None:
    with running_gateway(redis_url, tmp_path, upload_expiry=100, housekeeping_interval=0.05) as gateway:
        old, fresh = created(gateway, 100), created(gateway, 100)
        left = gateway.settings.upload_folder / "form-of-a-crash"
        left.touch()
        past = time.time() - 200
        os.utime(left, (past, past))
        os.utime(gateway.settings.upload_folder / f"{old.rsplit('/', 1)[-1]}.data", (past, past))
        assert gateway.http.head(old, headers=TUS).status_code == 404
        wait_until(lambda: len(gateway.left_behind()) == 2)
        assert offset(gateway, fresh) == 0


def test_every_answer_names_the_protocol_errors_too(gateway: Gateway) -> None:
    url = created(gateway, len(MP4))
    answers = [
        gateway.http.options("/uploads"),
        create(gateway, 10),
        gateway.http.post("/uploads", headers=TUS),
        gateway.http.post("/uploads"),
        gateway.http.head(url, headers=TUS),
        gateway.http.head("/uploads/unknown", headers=TUS),
        patch(gateway, url, 3, MP4),
        patch(gateway, url, 0, MP4),
        gateway.http.put(url, headers=TUS),
        gateway.http.delete(url, headers=TUS),
    ]
    assert [answer.status_code for answer in answers] == [204, 201, 400, 412, 200, 404, 409, 204, 405, 204]
    assert [answer.headers["tus-resumable"] for answer in answers] == ["1.0.0"] * len(answers)


def test_a_method_may_be_overridden(gateway: Gateway) -> None:
    """Behind proxies that let only GET and POST through (tus 1.0, X-HTTP-Method-Override)."""
    url = created(gateway, len(MP4))
    sent = {**PATCH, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    answer = gateway.http.post(url, content=MP4, headers=sent)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(MP4)))
    told = gateway.http.post(url, headers={**TUS, "X-HTTP-Method-Override": "head"})
    assert (told.status_code, told.headers["upload-offset"], told.content) == (200, str(len(MP4)), b"")
    assert gateway.http.post(url, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert gateway.http.head(url, headers=TUS).status_code == 404
    odd = {**TUS, "Upload-Length": "10", "X-HTTP-Method-Override": "BREW"}
    assert gateway.http.post("/uploads", headers=odd).status_code == 201, "others are ignored"
    assert gateway.http.post("/jobs", headers={"X-HTTP-Method-Override": "GET"}).status_code == 405, "only here"
