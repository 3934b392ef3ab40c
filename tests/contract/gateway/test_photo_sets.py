"""Photo sets: what is taken and refused, and everything that can be had of a finished one."""

import io
import json
import threading
import zipfile

import pytest

from framesense.jobs.payloads import PhotoSetPayload
from framesense.schemas.jobs import Job, JobKind, JobState
from framesense.schemas.photo_sets import PhotoSetParameters, PhotoSetResult
from framesense.storage.photo_sets import PhotoSetStore, Table, photo_set_key
from gateway.openapi.examples import PHOTO_SET_RESULT
from tests.support.gateway_process import MP4, Gateway, problem
from tests.support.photos import photo, zipped
from tests.support.waiting import wait_until

PHOTOS = zipped({"a/1.jpg": photo("red"), "b/2.jpg": photo("blue")})
KEY = "0123456789abcdef0123456789abcdef"


def _send(gateway: Gateway, content: bytes = PHOTOS, name: str = "set.zip", **fields: str | list[str]) -> Job:
    answer = gateway.http.post("/photo-sets", files={"photos": (name, content)}, data=fields or {"labels": "red,blue"})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    return Job.model_validate(answer.json())


def _tag(gateway: Gateway, job: Job, key: str = KEY) -> None:
    """What a worker does, with a result made up."""
    gateway.jobs.save_payload(job.id, gateway.jobs.payload(job.id, PhotoSetPayload).with_work(key))
    assert gateway.jobs.start(job.id)
    gateway.storage.write(f"taggings/{key}/thumbnails/00000001.jpg", b"jpeg 1")
    tables = {Table.CSV: b"index\n0\n1\n", Table.PARQUET: b"PAR1"}
    PhotoSetStore(gateway.storage).finish(key, PHOTO_SET_RESULT, tables)
    assert gateway.jobs.succeed(job.id, f"/jobs/{job.id}/result")


@pytest.fixture
def finished(gateway: Gateway) -> Job:
    job = _send(gateway, name="süd.zip")
    _tag(gateway, job)
    return job


def test_a_zip_becomes_a_job_in_a_queue_of_its_own(gateway: Gateway) -> None:
    job = _send(gateway, name="hotels.zip", labels='["red", "blue, dark"]', threshold="0.3", top_k="2", clusters="4")
    assert (job.kind, job.state, job.name) == (JobKind.PHOTO_SET, JobState.QUEUED, "hotels.zip")
    asked = PhotoSetParameters.model_validate(job.parameters)
    assert asked.labels == ["red", "blue, dark"]
    assert (asked.threshold, asked.top_k, asked.clusters) == (0.3, 2, 4)
    source = gateway.jobs.payload(job.id, PhotoSetPayload).photos
    assert gateway.storage.read(photo_set_key(source.sha256)) == PHOTOS
    assert source.bytes == len(PHOTOS)
    assert 'framesense_queue_length{queue="dataset"} 1.0' in gateway.http.get("/metrics").text
    assert gateway.left_behind() == []


def test_the_older_path_starts_the_same_job(gateway: Gateway) -> None:
    answer = gateway.http.post("/datasets", files={"photos": ("set.zip", PHOTOS)}, data={"labels": "red,blue"})
    assert answer.status_code == 202, answer.text
    old, new = Job.model_validate(answer.json()), _send(gateway)
    assert (old.kind, old.name, old.parameters) == (new.kind, new.name, new.parameters)
    assert problem(gateway.http.post("/datasets", data={"labels": "red"}), 422).detail


@pytest.mark.parametrize(
    ("fields", "labels", "templates"),
    [
        ({"labels": "red, blue"}, ["red", "blue"], []),
        ({"labels": "red\nblue, dark\n"}, ["red", "blue, dark"], []),
        ({"labels": "red", "templates": "a {label}, big"}, ["red"], ["a {label}, big"]),
        ({"labels": "red", "templates": "a {label}\nno {label}"}, ["red"], ["a {label}", "no {label}"]),
        (
            {"labels": ["red", "blue, dark"], "templates": ["a {label}", "b, {label}"]},
            ["red", "blue, dark"],
            ["a {label}", "b, {label}"],
        ),
        ({"label_set": "rooms", "labels": ""}, [], []),
    ],
)
def test_lists_may_be_written_in_several_ways(
    gateway: Gateway, fields: dict[str, str | list[str]], labels: list[str], templates: list[str]
) -> None:
    asked = PhotoSetParameters.model_validate(_send(gateway, PHOTOS, "set.zip", **fields).parameters)
    assert (asked.labels, asked.templates) == (labels, templates)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "labels"),
        ({"labels": ""}, "labels"),
        ({"labels": "red,,blue"}, "labels"),
        ({"labels": "red,red"}, "repeated"),
        ({"labels": ["red", "blue", "red"]}, "repeated"),
        ({"labels": ["red", ""]}, "labels"),
        ({"labels": "x" * 201}, "labels"),
        ({"labels": ",".join(map(str, range(10_000)))}, "1000"),
        ({"labels": '["red"'}, "JSON"),
        ({"labels": "[1, null]"}, "labels"),
        ({"labels": "red", "label_set": "rooms"}, "one of the two"),
        ({"labels": "red", "templates": "a photo"}, "{label}"),
        ({"labels": "red", "threshold": "nan"}, "threshold"),
        ({"labels": "red", "top_k": "0"}, "top_k"),
        ({"labels": "red", "lables": "blue"}, "lables"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    gateway: Gateway, fields: dict[str, str | list[str]], said: str
) -> None:
    answer = gateway.http.post("/photo-sets", files={"photos": ("set.zip", PHOTOS)}, data=fields)
    assert said in problem(answer, 422).detail
    assert gateway.left_behind() == []


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({"photos": ("set.zip", b"")}, 422),
        ({"photos": ("set.zip", photo("red"))}, 415),
        ({"photos": ("notes.txt", b"hello")}, 415),
        ({"photos": ("../a.jpg", photo("red"))}, 422),
        ({"photos": ("a/" * 300 + "b.jpg", photo("red"))}, 422),
        ({"archive": ("set.zip", PHOTOS)}, 422),
        ({"photos": ("set.zip", b"PK\x03\x04" + b"0" * 300_000)}, 413),
    ],
)
def test_files_that_cannot_be_taken_are_refused(
    gateway: Gateway, files: dict[str, tuple[str, bytes]], status: int
) -> None:
    assert problem(gateway.http.post("/photo-sets", files=files, data={"labels": "red"}), status).detail
    assert gateway.left_behind() == []
    assert gateway.http.get("/jobs").json()["total"] == 0


def _photos(*files: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("photos", file) for file in files]


def _packed(gateway: Gateway, job: Job) -> dict[str, bytes]:
    """The zip that was stored, unpacked."""
    source = gateway.storage.read(photo_set_key(gateway.jobs.payload(job.id, PhotoSetPayload).photos.sha256))
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        assert archive.testzip() is None
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def test_photos_as_files_become_a_set_with_their_folders(gateway: Gateway) -> None:
    red, blue, large = photo("red"), photo("blue"), photo("red", size=(200, 180), kind="PNG")
    files = _photos(
        ("trip/a/1.jpg", red), ("trip\\b\\1.jpg", blue), ("trip/b/1.jpg", large), ("trip/groups.csv", b"path,hotel\n")
    )
    answer = gateway.http.post("/photo-sets", files=files, data={"labels": ["red", "blue"]})
    assert answer.status_code == 202, answer.text
    job = Job.model_validate(answer.json())
    assert (job.name, job.parameters["labels"]) == ("trip", ["red", "blue"])
    expected = {
        "trip/a/1.jpg": red,
        "trip/b/1.jpg": blue,
        "trip/b/1 (2).jpg": large,
        "trip/groups.csv": b"path,hotel\n",
    }
    assert _packed(gateway, job) == expected
    again = Job.model_validate(gateway.http.post("/photo-sets", files=files, data={"labels": "red"}).json())
    first, second = (gateway.jobs.payload(one.id, PhotoSetPayload).photos.sha256 for one in (job, again))
    assert first == second, "the same photos are the same set"
    assert gateway.left_behind() == []


def test_a_single_photo_is_a_set_and_empty_files_among_others_are_kept(gateway: Gateway) -> None:
    answer = gateway.http.post("/photo-sets", files=_photos(("one.jpg", photo("red"))), data={"labels": "red"})
    assert Job.model_validate(answer.json()).name == "one.jpg"
    files = _photos(("empty.jpg", b""), ("one.jpg", photo("red")))
    job = Job.model_validate(gateway.http.post("/photo-sets", files=files, data={"labels": "red"}).json())
    assert job.name == "2 photos"
    assert list(_packed(gateway, job)) == ["empty.jpg", "one.jpg"]


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ([("a.jpg", photo("red")), ("set.zip", PHOTOS)], 422),
        ([("set.zip", PHOTOS), ("a.jpg", photo("red"))], 422),
        ([("a.txt", b"words"), ("b.txt", b"words")], 415),
        ([("a.jpg", b""), ("b.jpg", b"")], 422),
        ([(f"{n}.jpg", bytes(60_000)) for n in range(5)], 413),
        ([(f"{n}.jpg", b"x") for n in range(41)], 413),
        ([("a.jpg", photo("red")), ("b/../../c.jpg", photo("red"))], 422),
    ],
)
def test_photos_that_cannot_be_taken_are_refused(gateway: Gateway, files: list[tuple[str, bytes]], status: int) -> None:
    assert problem(gateway.http.post("/photo-sets", files=_photos(*files), data={"labels": "red"}), status).detail
    assert gateway.left_behind() == []
    assert gateway.http.get("/jobs").json()["total"] == 0


def test_without_a_file_it_says_how_to_send_one(gateway: Gateway) -> None:
    assert "curl" in problem(gateway.http.post("/photo-sets", data={"labels": "red"}), 422).detail


def test_the_whole_result_and_its_photos(gateway: Gateway, finished: Job) -> None:
    answer = gateway.http.get(f"/jobs/{finished.id}/result")
    assert answer.status_code == 200
    result = PhotoSetResult.model_validate(answer.json())
    assert result.report.name == "süd.zip"
    assert result.photos[1].thumbnail == f"/jobs/{finished.id}/photos/1.jpg"
    shown = gateway.http.get(result.photos[1].thumbnail)
    assert shown.content == b"jpeg 1"
    assert "immutable" in shown.headers["cache-control"]
    again = gateway.http.get(result.photos[1].thumbnail, headers={"If-None-Match": shown.headers["etag"]})
    assert again.status_code == 304
    assert problem(gateway.http.get(f"/jobs/{finished.id}/photos/7.jpg"), 404)


def test_exports(gateway: Gateway, finished: Job) -> None:
    def export(kind: str) -> tuple[str, bytes]:
        answer = gateway.http.get(f"/jobs/{finished.id}/export.{kind}")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''s%C3%BCd.zip.{kind}"
        return answer.headers["content-type"], answer.content

    assert export("csv") == ("text/csv; charset=utf-8", b"index\n0\n1\n")
    assert export("parquet") == ("application/vnd.apache.parquet", b"PAR1")
    media_type, content = export("json")
    assert media_type == "application/json"
    assert len(PhotoSetResult.model_validate(json.loads(content)).photos) == 2
    assert "csv, parquet, json" in problem(gateway.http.get(f"/jobs/{finished.id}/export.vtt"), 422).detail


def test_a_photo_set_has_no_video_and_a_video_no_photos(gateway: Gateway, finished: Job) -> None:
    for path in ("video", "novelty", "frames/0.jpg"):
        problem(gateway.http.get(f"/jobs/{finished.id}/{path}"), 404)
    video = gateway.submit(MP4)
    problem(gateway.http.get(f"/jobs/{video.id}/photos/0.jpg"), 404)
    assert "csv, json, vtt" in problem(gateway.http.get(f"/jobs/{video.id}/export.parquet"), 422).detail


def test_an_unfinished_and_a_cancelled_one_have_no_result(gateway: Gateway) -> None:
    job = _send(gateway)
    for path in ("result", "export.csv", "export.json"):
        problem(gateway.http.get(f"/jobs/{job.id}/{path}"), 409)
    gateway.http.delete(f"/jobs/{job.id}")
    problem(gateway.http.get(f"/jobs/{job.id}/result"), 410)


def test_a_result_that_is_gone(gateway: Gateway, finished: Job) -> None:
    gateway.storage.delete(f"taggings/{KEY}")
    for path in ("result", "export.csv"):
        problem(gateway.http.get(f"/jobs/{finished.id}/{path}"), 410)


def test_with_the_last_job_go_the_photos_and_their_tags(gateway: Gateway) -> None:
    first, second = _send(gateway), _send(gateway)
    _tag(gateway, first)
    _tag(gateway, second)
    source = photo_set_key(gateway.jobs.payload(first.id, PhotoSetPayload).photos.sha256)
    assert gateway.http.delete(f"/jobs/{first.id}").status_code == 204
    assert gateway.storage.exists(source)
    assert gateway.http.get(f"/jobs/{second.id}/result").status_code == 200
    assert gateway.http.delete(f"/jobs/{second.id}").status_code == 204
    assert not gateway.storage.exists(source)
    assert not PhotoSetStore(gateway.storage).is_whole(KEY)


def test_prefer_wait_answers_with_the_result(gateway: Gateway) -> None:
    def work() -> None:
        wait_until(lambda: bool(gateway.jobs.page().jobs))
        _tag(gateway, gateway.jobs.page().jobs[0])

    worker = threading.Thread(target=work)
    worker.start()
    answer = gateway.http.post(
        "/photo-sets", files={"photos": ("a.zip", PHOTOS)}, data={"labels": "red"}, headers={"Prefer": "wait=20"}
    )
    worker.join()
    assert answer.status_code == 200, answer.text
    assert answer.headers["preference-applied"] == "wait=20"
    assert PhotoSetResult.model_validate(answer.json()).report.name == "a.zip"
