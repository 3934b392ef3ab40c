"""Edits: what is taken and refused at the door, the place in the queue, and everything that can be had of a finished
one. The editor and the worker are absent: what they make is in tests/integration/worker/test_edits.py."""

import errno
import io
import json
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from framesense.jobs.payloads import EditPayload, EditSource
from framesense.jobs.queue import PRIORITIES, waiting
from framesense.schemas.edits import EditorCapabilities, EditParameters, EditResult, Preserve, SeriesParameters
from framesense.schemas.jobs import Job, JobKind, JobState
from framesense.storage.edits import EditStore, FinishedPicture, edit_prefix
from gateway.openapi.editing_examples import EDIT_RESULT
from tests.support.gateway_process import MP4, Gateway, problem, running_gateway, served
from tests.support.paint_editor import PaintEditor
from tests.support.photos import photo
from tests.support.waiting import wait_until

ROOM = photo("blue", size=(64, 48), kind="PNG")
WORDS = {"prompt": "a red room"}
GRID = {
    "base": WORDS,
    "rows": {"parameter": "strength", "values": [0.3, 0.6]},
    "columns": {"parameter": "seed", "values": [1, 2, 3]},
}

Files = Mapping[str, tuple[str | None, bytes]] | list[tuple[str, tuple[str | None, bytes]]]


def _mask(white: bool, size: tuple[int, int] = (64, 48)) -> bytes:
    stream = io.BytesIO()
    image = Image.new("L", size)
    if white:
        image.paste(255, (0, 0, 20, 20))
    image.save(stream, "PNG")
    return stream.getvalue()


def _send(gateway: Gateway, files: Files | None = None, **fields: str) -> Job:
    files = {"image": ("room.png", ROOM)} if files is None else files
    answer = gateway.http.post("/edits", files=files, data=fields or WORDS)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    return Job.model_validate(answer.json())


def _send_series(gateway: Gateway, series: object, files: Files | None = None) -> Job:
    files = {"image": ("room.png", ROOM)} if files is None else files
    answer = gateway.http.post("/edits/series", files=files, data={"parameters": json.dumps(series)})
    assert answer.status_code == 202, answer.text
    return Job.model_validate(answer.json())


def _finish(gateway: Gateway, job: Job, pictures: int = 1) -> None:
    """What a worker does, with pictures made up: all are there, one of them without a change map."""
    store = EditStore(gateway.storage)
    assert gateway.jobs.start(job.id)
    images = []
    for index in range(pictures):
        image = EDIT_RESULT.images[0].model_copy(update={"index": index, "photo_index": 0, "seed": 7 + index})
        bare = image.model_copy(update={"image_url": None, "change_map_url": None, "photo_url": None})
        png = f"png {index}".encode()
        store.append(job.id, FinishedPicture(bare, png, b"jpeg", change_map=b"change" if index == 0 else None))
        images.append(bare)
    sheet = b"sheet" if job.kind is JobKind.EDIT_SERIES else None
    result = EDIT_RESULT.model_copy(update={"job_id": job.id, "name": job.name, "images": images})
    store.finish(job.id, result, sheet)
    assert gateway.jobs.succeed(job.id, f"/jobs/{job.id}/result")


def test_a_photo_and_words_become_a_job(gateway: Gateway) -> None:
    job = _send(gateway, prompt=" a red room ", denoising_strength="0.3", steps="12", guidance_scale="7.5")
    assert (job.kind, job.state, job.name, job.queue_position) == (JobKind.EDIT, JobState.QUEUED, "room.png", 0)
    asked = EditParameters.model_validate(job.parameters)
    assert (asked.prompt, asked.strength, asked.steps, asked.guidance_scale) == ("a red room", 0.3, 12, 7.5)
    assert asked.seed is not None, "drawn when the job is made, so that every worker uses the same one"
    assert gateway.jobs.payload(job.id, EditPayload).edit == EditSource(photos=["room.png"])
    assert EditStore(gateway.storage).photo(job.id, 0) == ROOM
    sent = gateway.http.get(f"/jobs/{job.id}/sources/0")
    assert (sent.headers["content-type"], sent.content) == ("image/png", ROOM)
    assert 'framesense_queue_length{queue="edit"} 1.0' in gateway.http.get("/metrics").text


def test_parameters_may_come_as_one_document(gateway: Gateway) -> None:
    job = _send(gateway, parameters='{"prompt": "at night", "strength": 0.7, "seed": 3}')
    asked = EditParameters.model_validate(job.parameters)
    assert (asked.prompt, asked.strength, asked.seed) == ("at night", 0.7, 3)


def test_words_alone_need_no_photo(gateway: Gateway) -> None:
    job = _send(gateway, {"task": (None, b"generate")}, prompt="a red room")
    assert (job.name, job.parameters["task"]) == ("a red room", "generate")
    assert gateway.http.get(f"/jobs/{job.id}/sources/0").status_code == 404


def test_a_mask_that_is_sent_is_meant(gateway: Gateway) -> None:
    files = {"image": ("room.png", ROOM), "mask": ("mask.png", _mask(white=True, size=(32, 32)))}
    job = _send(gateway, files)
    assert job.parameters["preserve"] == Preserve.MASK
    assert EditStore(gateway.storage).mask(job.id) == files["mask"][1]
    again = _send(gateway, {"job_id": (None, job.id.encode())}, prompt="a green room")
    assert (again.name, again.parameters["preserve"]) == ("room.png", Preserve.MASK)
    assert EditStore(gateway.storage).photo(again.id, 0) == ROOM


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"strength": "0.5"}, "prompt"),
        ({"prompt": "  "}, "prompt"),
        ({"prompt": "x" * 10_000}, "prompt"),
        ({**WORDS, "strength": "0"}, "strength"),
        ({**WORDS, "strength": "1.01"}, "strength"),
        ({**WORDS, "denoising_strength": "nan"}, "strength"),
        ({**WORDS, "steps": "0"}, "steps"),
        ({**WORDS, "steps": "10000"}, "steps"),
        ({**WORDS, "steps": "1.5"}, "steps"),
        ({**WORDS, "guidance_scale": "nan"}, "guidance_scale"),
        ({**WORDS, "guidance_scale": "inf"}, "guidance_scale"),
        ({**WORDS, "scheduler": "ddpm++"}, "scheduler"),
        ({**WORDS, "seed": "-1"}, "seed"),
        ({**WORDS, "width": "7"}, "width"),
        ({**WORDS, "height": "100000"}, "height"),
        ({**WORDS, "images": "17"}, "images"),
        ({**WORDS, "preserve": "mask"}, "mask"),
        ({**WORDS, "preserve": "some"}, "preserve"),
        ({**WORDS, "task": "paint"}, "task"),
        ({**WORDS, "task": "generate"}, "image"),
        ({**WORDS, "strenght": "0.5"}, "strenght"),
        ({"parameters": "{"}, "JSON"),
        ({"parameters": '{"prompt": "a", "strenght": 1}'}, "strenght"),
        ({"parameters": '{"prompt": "a"}', "strength": "1"}, "'parameters'"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(gateway: Gateway, fields: dict[str, str], said: str) -> None:
    answer = gateway.http.post("/edits", files={"image": ("room.png", ROOM)}, data=fields)
    assert said in problem(answer, 422).detail
    assert gateway.http.get("/jobs").json()["total"] == 0


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ({"parameters": (None, b'{"prompt": "a"}')}, 422, "curl -F image=@"),
        ({"image": ("a.png", b"")}, 422, "empty"),
        ({"image": ("a.png", b"%PDF-1.7")}, 415, "a PDF document"),
        ({"image": ("a.png", ROOM[: len(ROOM) // 2])}, 422, "damaged"),
        ({"image": ("a.png", photo("red", size=(1, 1)))}, 422, "1 × 1"),
        ({"image": ("a.png", photo("red", size=(100, 7)))}, 422, "100 × 7"),
        ({"image": ("a.png", photo("red", size=(20_000, 8)))}, 413, "20000"),
        ({"image": ("a.png", b"x" * 150_000)}, 413, "bytes"),
        ({"photo": ("a.png", ROOM)}, 422, "'photo'"),
        ([("image", ("a.png", ROOM)), ("image", ("b.png", ROOM))], 422, "/edits/series"),
        ({"image": ("a.png", ROOM), "mask": ("m.png", _mask(white=False))}, 422, "black all over"),
        ({"mask": ("m.png", _mask(white=True)), "task": (None, b"generate")}, 422, "takes no mask"),
        ({"image": ("a.png", ROOM), "mask": ("m.png", b"nonsense")}, 415, "plain text"),
        ([("image", ("a.png", ROOM)), *[("mask", ("m.png", _mask(white=True)))] * 2], 422, "'mask'"),
        ({"image": (None, b"text")}, 422, "text"),
    ],
)
def test_files_that_cannot_be_edited_are_refused(gateway: Gateway, files: Files, status: int, said: str) -> None:
    data = {} if isinstance(files, dict) and "parameters" in files else WORDS
    assert said in problem(gateway.http.post("/edits", files=files, data=data), status).detail
    assert gateway.http.get("/jobs").json()["total"] == 0


def test_a_decompression_bomb_and_too_large_a_result_are_refused(gateway: Gateway) -> None:
    stream = io.BytesIO()
    Image.new("1", (9_000, 8_000)).save(stream, "PNG")
    bomb = gateway.http.post("/edits", files={"image": ("bomb.png", stream.getvalue())}, data=WORDS)
    assert "pixels" in problem(bomb, 413).detail
    upscaled = gateway.http.post("/edits", files={"image": ("a.png", _plain(3000, 1500))}, data={"task": "upscale_x4"})
    refused = problem(upscaled, 413)
    assert refused.type.endswith("result-too-large") and "12000 × 6000" in refused.detail


def _plain(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_other_bodies_are_refused(gateway: Gateway, content_type: str) -> None:
    answer = gateway.http.post("/edits", content=b"prompt=a", headers={"Content-Type": content_type})
    assert "multipart" in problem(answer, 415).detail


@pytest.mark.parametrize(
    ("series", "status", "said"),
    [
        ({**GRID, "rows": {"parameter": "strength", "values": [0.3, 1.5]}}, 422, "strength cannot be 1.5"),
        ({**GRID, "rows": {"parameter": "steps", "values": [10, "many"]}}, 422, "steps cannot be 'many'"),
        ({**GRID, "rows": {"parameter": "strength", "values": [0.3, 0.3]}}, 422, "'strength 0.3' twice"),
        ({**GRID, "rows": {"parameter": "strength", "values": []}}, 422, "values"),
        ({**GRID, "rows": {"parameter": "mask", "values": [1]}}, 422, "parameter"),
        ({**GRID, "rows": GRID["columns"]}, 422, "both change seed"),
        ({**GRID, "rows": {"parameter": "preserve", "values": ["none", "mask"]}}, 422, "needs a mask"),
        ({"base": WORDS}, 422, "what differs"),
        ({"base": {**WORDS, "images": 2}, "rows": GRID["rows"]}, 422, "axis"),
        ({"base": {}, "rows": GRID["rows"]}, 422, "prompt"),
        ({**GRID, "sorted": True}, 422, "sorted"),
        ({**GRID, "columns": {"parameter": "seed", "values": list(range(33))}}, 413, "66 pictures"),
    ],
)
def test_series_that_make_no_sense_are_refused(gateway: Gateway, series: object, status: int, said: str) -> None:
    answer = gateway.http.post(
        "/edits/series", files={"image": ("room.png", ROOM)}, data={"parameters": json.dumps(series)}
    )
    assert said in problem(answer, status).detail
    assert gateway.http.get("/jobs").json()["total"] == 0


def test_many_photos_are_rows(gateway: Gateway) -> None:
    one_change = {"base": WORDS, "columns": {"parameter": "strength", "values": [0.3, 0.6]}}
    photos = [("images", (f"{n}.png", ROOM)) for n in range(3)]
    job = _send_series(gateway, one_change, photos)
    assert (job.kind, job.name) == (JobKind.EDIT_SERIES, "0.png and 2 more")
    assert SeriesParameters.model_validate(job.parameters).base.seed is not None
    for series, said in ((GRID, "a row of its own"), ({**one_change, "rows": GRID["rows"]}, "both change strength")):
        answer = gateway.http.post("/edits/series", files=photos, data={"parameters": json.dumps(series)})
        assert said in problem(answer, 422).detail
    masked = [*photos, ("mask", ("m.png", _mask(white=True)))]
    answer = gateway.http.post("/edits/series", files=masked, data={"parameters": json.dumps(one_change)})
    assert "belongs to one photo" in problem(answer, 422).detail
    too_many = [("image", (f"{n}.jpg", photo("red", size=(16, 16)))) for n in range(66)]
    answer = gateway.http.post("/edits/series", files=too_many, data={"parameters": json.dumps(one_change)})
    assert "65 files" in problem(answer, 413).detail


def test_a_prompt_may_be_an_axis(gateway: Gateway) -> None:
    job = _send_series(gateway, {"base": {}, "rows": {"parameter": "prompt", "values": ["at night", "in snow"]}})
    assert SeriesParameters.model_validate(job.parameters).base.prompt == "at night"


def test_single_edits_go_before_series(gateway: Gateway) -> None:
    first, second = _send_series(gateway, GRID), _send_series(gateway, GRID)
    assert (first.queue_position, second.queue_position) == (0, 1)
    edits = [_send(gateway) for _ in range(2)]
    gateway.submit(MP4)
    assert waiting(gateway.jobs._redis, "edit") == [edits[0].id, edits[1].id, first.id, second.id]
    assert PRIORITIES[JobKind.EDIT_SERIES] > 0
    places = {job["id"]: job["queue_position"] for job in gateway.http.get("/jobs").json()["jobs"]}
    assert [places[job.id] for job in (*edits, first, second)] == [0, 1, 2, 3]
    assert gateway.http.get(f"/jobs/{second.id}").json()["queue_position"] == 3
    gateway.jobs.start(first.id)
    assert gateway.http.get(f"/jobs/{first.id}").json()["queue_position"] is None
    gateway.http.delete(f"/jobs/{edits[0].id}")
    assert gateway.http.get(f"/jobs/{second.id}").json()["queue_position"] == 1, "after the second edit only"
    assert 'framesense_queue_length{queue="edit"} 2.0' in gateway.http.get("/metrics").text


def test_jobs_of_one_kind(gateway: Gateway) -> None:
    gateway.submit(MP4)
    edits = [_send(gateway) for _ in range(3)]
    _send_series(gateway, GRID)
    page = gateway.http.get("/jobs", params={"kind": "edit", "limit": 2, "offset": 1}).json()
    assert [job["id"] for job in page["jobs"]] == [edits[1].id, edits[0].id]
    assert page["total"] == 3
    assert gateway.http.get("/jobs", params={"kind": "edit_series"}).json()["total"] == 1
    assert "kind" in problem(gateway.http.get("/jobs", params={"kind": "painting"}), 422).detail


def test_the_result_and_its_pictures(gateway: Gateway) -> None:
    job = _send(gateway, images="2", **WORDS)
    _finish(gateway, job, pictures=2)
    result = EditResult.model_validate(gateway.http.get(f"/jobs/{job.id}/result").json())
    first, second = result.images
    assert gateway.http.get(first.image_url or "").content == b"png 0"
    assert gateway.http.get(first.change_map_url or "").content == b"change"
    assert second.change_map_url is None and first.mask_url is None and result.contact_sheet_url is None
    assert gateway.http.get(first.photo_url or "").content == ROOM
    shown = gateway.http.get(f"/jobs/{job.id}/images/1.jpg")
    assert (shown.content, shown.headers["content-type"]) == (b"jpeg", "image/jpeg")
    answer = gateway.http.get(second.image_url or "")
    assert "immutable" in answer.headers["cache-control"]
    again = gateway.http.get(second.image_url or "", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for path in ("images/2.png", "images/2.jpg", "changes/1.png", "masks/0.png", "contact-sheet.png", "preview.jpg"):
        problem(gateway.http.get(f"/jobs/{job.id}/{path}"), 404)


def test_pictures_are_there_before_the_job_ends(gateway: Gateway) -> None:
    job = _send(gateway)
    for path in ("result", "export.zip"):
        problem(gateway.http.get(f"/jobs/{job.id}/{path}"), 409)
    problem(gateway.http.get(f"/jobs/{job.id}/images/0.png"), 404)
    image = EDIT_RESULT.images[0]
    EditStore(gateway.storage).append(job.id, FinishedPicture(image, b"png", b"jpeg"))
    assert gateway.http.get(f"/jobs/{job.id}/images/0.png").content == b"png"
    gateway.jobs.show(job.id, "anBlZw==")
    preview = gateway.http.get(f"/jobs/{job.id}/preview.jpg")
    assert (preview.content, preview.headers["cache-control"]) == (b"jpeg", "no-store")


def test_everything_in_a_zip(gateway: Gateway) -> None:
    job = _send_series(gateway, GRID)
    _finish(gateway, job, pictures=6)
    answer = gateway.http.get(f"/jobs/{job.id}/export.zip")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''room.png.zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        pictures = [f"image-{n:03d}.png" for n in range(6)]
        assert archive.namelist() == [*pictures, "change-000.png", "contact-sheet.png", "result.json"]
        assert archive.testzip() is None
        assert archive.read("image-004.png") == b"png 4"
        assert len(EditResult.model_validate_json(archive.read("result.json")).images) == 6
    exported = EditResult.model_validate(gateway.http.get(f"/jobs/{job.id}/export.json").json())
    assert gateway.http.get(exported.contact_sheet_url or "").content == b"sheet"
    assert "zip, json" in problem(gateway.http.get(f"/jobs/{job.id}/export.csv"), 422).detail


def test_an_edit_has_no_video_and_a_video_no_pictures(gateway: Gateway) -> None:
    job, video = _send(gateway), gateway.submit(MP4)
    for path in ("video", "novelty", "frames/0.jpg", "photos/0.jpg"):
        problem(gateway.http.get(f"/jobs/{job.id}/{path}"), 404)
    for path in ("images/0.png", "images/0.jpg", "changes/0.png", "masks/0.png", "sources/0", "contact-sheet.png"):
        problem(gateway.http.get(f"/jobs/{video.id}/{path}"), 404)
    answer = gateway.http.post("/edits", files={"job_id": (None, video.id), "prompt": (None, "a")})
    assert "not an edit" in problem(answer, 422).detail
    problem(gateway.http.post("/edits", files={"job_id": (None, "0" * 32), "prompt": (None, "a")}), 404)
    both = gateway.http.post("/edits", files={"image": ("a.png", ROOM)}, data={"job_id": job.id, **WORDS})
    assert "not both" in problem(both, 422).detail


def test_a_deleted_edit_takes_its_pictures_along(gateway: Gateway) -> None:
    job, other = _send(gateway), _send(gateway)
    _finish(gateway, job)
    assert gateway.http.delete(f"/jobs/{job.id}").status_code == 204
    assert not gateway.storage.list(edit_prefix(job.id))
    assert EditStore(gateway.storage).photo(other.id, 0) == ROOM
    answer = gateway.http.post("/edits", files={"job_id": (None, job.id), "prompt": (None, "a")})
    problem(answer, 404)
    assert gateway.http.delete(f"/jobs/{other.id}").json()["state"] == "cancelled"
    problem(gateway.http.get(f"/jobs/{other.id}/result"), 410)
    assert gateway.http.delete(f"/jobs/{other.id}").status_code == 204
    assert not gateway.storage.list(edit_prefix(other.id))


def test_a_result_that_is_gone(gateway: Gateway) -> None:
    job = _send(gateway)
    _finish(gateway, job)
    gateway.storage.delete(edit_prefix(job.id))
    problem(gateway.http.get(f"/jobs/{job.id}/result"), 410)
    answer = gateway.http.post("/edits", files={"job_id": (None, job.id), "prompt": (None, "a")})
    assert "Send it again" in problem(answer, 410).detail


def test_prefer_wait_answers_with_the_result(gateway: Gateway) -> None:
    def work() -> None:
        wait_until(lambda: bool(gateway.jobs.page().jobs))
        _finish(gateway, gateway.jobs.page().jobs[0])

    worker = threading.Thread(target=work)
    worker.start()
    answer = gateway.http.post("/edits", files={"image": ("a.png", ROOM)}, data=WORDS, headers={"Prefer": "wait=20"})
    worker.join()
    assert answer.status_code == 200, answer.text
    assert answer.headers["preference-applied"] == "wait=20"
    assert EditResult.model_validate(answer.json()).name == "a.png"


def test_without_an_editor_jobs_wait_and_nobody_knows_what_it_can_do(gateway: Gateway) -> None:
    assert _send(gateway, task="denoise").state is JobState.QUEUED
    answer = gateway.http.get("/edits/capabilities")
    assert "editor does not answer" in problem(answer, 503).detail


def test_what_the_editors_model_cannot_do_is_refused_at_the_door(redis_url: str, tmp_path: Path) -> None:
    editor = PaintEditor()
    with served(editor.app()) as (url, _), running_gateway(redis_url, tmp_path, editor_url=url) as gateway:
        found = EditorCapabilities.model_validate(gateway.http.get("/edits/capabilities").json())
        assert found.note == "knows colours only"
        files = {"image": ("room.png", ROOM)}
        for fields, said in (
            ({"task": "upscale_x2"}, "cannot enlarge a photo; it can do: edit, generate, denoise"),
            ({**WORDS, "scheduler": "lcm"}, "no scheduler lcm; it has: ddim, euler_a"),
        ):
            assert said in problem(gateway.http.post("/edits", files=files, data=fields), 422).detail
        series = {**GRID, "rows": {"parameter": "scheduler", "values": ["ddim", "lcm"]}}
        answer = gateway.http.post("/edits/series", files=files, data={"parameters": json.dumps(series)})
        assert "no scheduler lcm" in problem(answer, 422).detail
        assert _send(gateway, scheduler="euler_a", **WORDS).parameters["scheduler"] == "euler_a"


def test_an_edit_that_cannot_be_stored_leaves_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(store: EditStore, job_id: str, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(EditStore, "add_mask", full)
    files = {"image": ("room.png", ROOM), "mask": ("mask.png", photo("white", size=(64, 48), kind="PNG"))}
    problem(gateway.http.post("/edits", files=files, data={"prompt": "a red sofa"}), 507)
    assert gateway.jobs.page().total == 0
    assert gateway.storage.list("edits") == []
