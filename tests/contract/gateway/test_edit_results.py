"""What the gateway serves of edits: pictures, zips, results that are gone."""

import io
import threading
import zipfile

from framesense.schemas.edits import EditResult
from framesense.storage.edits import EditStore, FinishedPicture, edit_prefix
from gateway.openapi.editing_examples import EDIT_RESULT
from tests.support.gateway_edits import GRID, ROOM, WORDS, finish_edit, send_edit, send_series
from tests.support.gateway_process import MP4, Gateway, problem
from tests.support.waiting import wait_until


def test_the_result_and_its_pictures(gateway: Gateway) -> None:
    job = send_edit(gateway, images="2", **WORDS)
    finish_edit(gateway, job, pictures=2)
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
    job = send_edit(gateway)
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
    job = send_series(gateway, GRID)
    finish_edit(gateway, job, pictures=6)
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
    job, video = send_edit(gateway), gateway.submit(MP4)
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
    job, other = send_edit(gateway), send_edit(gateway)
    finish_edit(gateway, job)
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
    job = send_edit(gateway)
    finish_edit(gateway, job)
    gateway.storage.delete(edit_prefix(job.id))
    problem(gateway.http.get(f"/jobs/{job.id}/result"), 410)
    answer = gateway.http.post("/edits", files={"job_id": (None, job.id), "prompt": (None, "a")})
    assert "Send it again" in problem(answer, 410).detail


def test_prefer_wait_answers_with_the_result(gateway: Gateway) -> None:
    def work() -> None:
        wait_until(lambda: bool(gateway.jobs.page().jobs))
        finish_edit(gateway, gateway.jobs.page().jobs[0])

    worker = threading.Thread(target=work)
    worker.start()
    answer = gateway.http.post("/edits", files={"image": ("a.png", ROOM)}, data=WORDS, headers={"Prefer": "wait=20"})
    worker.join()
    assert answer.status_code == 200, answer.text
    assert answer.headers["preference-applied"] == "wait=20"
    assert EditResult.model_validate(answer.json()).name == "a.png"
