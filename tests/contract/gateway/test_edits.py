"""Edits and series sent to the gateway: what becomes a job, what is refused, which goes first."""

import errno
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from framesense.jobs.payloads import EditPayload, EditSource
from framesense.jobs.queue import PRIORITIES, waiting
from framesense.schemas.edits import EditorCapabilities, EditParameters, Preserve, SeriesParameters
from framesense.schemas.jobs import JobKind, JobState
from framesense.storage.edits import EditStore
from tests.support.gateway_edits import GRID, ROOM, WORDS, Files, edit_mask, send_edit, send_series
from tests.support.gateway_process import MP4, Gateway, problem, running_gateway, served
from tests.support.paint_editor import PaintEditor
from tests.support.photos import photo


def test_a_photo_and_words_become_a_job(gateway: Gateway) -> None:
    job = send_edit(gateway, prompt=" a red room ", denoising_strength="0.3", steps="12", guidance_scale="7.5")
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
    job = send_edit(gateway, parameters='{"prompt": "at night", "strength": 0.7, "seed": 3}')
    asked = EditParameters.model_validate(job.parameters)
    assert (asked.prompt, asked.strength, asked.seed) == ("at night", 0.7, 3)


def test_words_alone_need_no_photo(gateway: Gateway) -> None:
    job = send_edit(gateway, {"task": (None, b"generate")}, prompt="a red room")
    assert (job.name, job.parameters["task"]) == ("a red room", "generate")
    assert gateway.http.get(f"/jobs/{job.id}/sources/0").status_code == 404


def test_a_mask_that_is_sent_is_meant(gateway: Gateway) -> None:
    files = {"image": ("room.png", ROOM), "mask": ("mask.png", edit_mask(white=True, size=(32, 32)))}
    job = send_edit(gateway, files)
    assert job.parameters["preserve"] == Preserve.MASK
    assert EditStore(gateway.storage).mask(job.id) == files["mask"][1]
    again = send_edit(gateway, {"job_id": (None, job.id.encode())}, prompt="a green room")
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
        (
            {"photo": ("a.png", ROOM)},
            422,
            "files are taken as image, file, mask",
        ),
        ([("image", ("a.png", ROOM)), ("image", ("b.png", ROOM))], 422, "/edits/series"),
        ({"image": ("a.png", ROOM), "mask": ("m.png", edit_mask(white=False))}, 422, "black all over"),
        ({"mask": ("m.png", edit_mask(white=True)), "task": (None, b"generate")}, 422, "takes no mask"),
        ({"image": ("a.png", ROOM), "mask": ("m.png", b"nonsense")}, 415, "plain text"),
        ([("image", ("a.png", ROOM)), *[("mask", ("m.png", edit_mask(white=True)))] * 2], 422, "'mask'"),
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
    job = send_series(gateway, one_change, photos)
    assert (job.kind, job.name) == (JobKind.EDIT_SERIES, "0.png and 2 more")
    assert SeriesParameters.model_validate(job.parameters).base.seed is not None
    for series, said in ((GRID, "a row of its own"), ({**one_change, "rows": GRID["rows"]}, "both change strength")):
        answer = gateway.http.post("/edits/series", files=photos, data={"parameters": json.dumps(series)})
        assert said in problem(answer, 422).detail
    masked = [*photos, ("mask", ("m.png", edit_mask(white=True)))]
    answer = gateway.http.post("/edits/series", files=masked, data={"parameters": json.dumps(one_change)})
    assert "belongs to one photo" in problem(answer, 422).detail
    too_many = [("image", (f"{n}.jpg", photo("red", size=(16, 16)))) for n in range(66)]
    answer = gateway.http.post("/edits/series", files=too_many, data={"parameters": json.dumps(one_change)})
    assert "65 files" in problem(answer, 413).detail


def test_a_prompt_may_be_an_axis(gateway: Gateway) -> None:
    job = send_series(gateway, {"base": {}, "rows": {"parameter": "prompt", "values": ["at night", "in snow"]}})
    assert SeriesParameters.model_validate(job.parameters).base.prompt == "at night"


def test_single_edits_go_before_series(gateway: Gateway) -> None:
    first, second = send_series(gateway, GRID), send_series(gateway, GRID)
    assert (first.queue_position, second.queue_position) == (0, 1)
    edits = [send_edit(gateway) for _ in range(2)]
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
    edits = [send_edit(gateway) for _ in range(3)]
    send_series(gateway, GRID)
    page = gateway.http.get("/jobs", params={"kind": "edit", "limit": 2, "offset": 1}).json()
    assert [job["id"] for job in page["jobs"]] == [edits[1].id, edits[0].id]
    assert page["total"] == 3
    assert gateway.http.get("/jobs", params={"kind": "edit_series"}).json()["total"] == 1
    assert "kind" in problem(gateway.http.get("/jobs", params={"kind": "painting"}), 422).detail


def test_without_an_editor_jobs_wait_and_nobody_knows_what_it_can_do(gateway: Gateway) -> None:
    assert send_edit(gateway, task="denoise").state is JobState.QUEUED
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
        assert send_edit(gateway, scheduler="euler_a", **WORDS).parameters["scheduler"] == "euler_a"


def test_an_edit_that_cannot_be_stored_leaves_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(store: EditStore, job_id: str, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(EditStore, "add_mask", full)
    files = {"image": ("room.png", ROOM), "mask": ("mask.png", photo("white", size=(64, 48), kind="PNG"))}
    problem(gateway.http.post("/edits", files=files, data={"prompt": "a red sofa"}), 507)
    assert gateway.jobs.page().total == 0
    assert gateway.storage.list("edits") == []
