"""Whose things are whose where keys are required: a client's own are all that it sees, an admin sees all."""

import io
import zipfile
from collections.abc import Iterator

import httpx
import pytest
from fastapi import Response

from framesense.jobs.queue import waiting
from framesense.schemas.access import KeyLimits, Scope
from tests.support.gateway_edits import ROOM, WORDS
from tests.support.gateway_process import MP4, problem
from tests.support.keyed_gateway import KeyedClient, KeyedGateway, running_keyed_gateway

TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture(scope="module")
def keyed(redis_process: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyedGateway]:
    with running_keyed_gateway(redis_process, tmp_path_factory.mktemp("keyed")) as running:
        yield running


@pytest.fixture
def alice(keyed: KeyedGateway, redis_url: str) -> KeyedClient:
    keyed.gateway.tagger.reset()
    return keyed.client("alice", Scope.SUBMIT)


@pytest.fixture
def bob(keyed: KeyedGateway, redis_url: str) -> KeyedClient:
    return keyed.client("bob", Scope.SUBMIT)


@pytest.fixture
def ada(keyed: KeyedGateway, redis_url: str) -> KeyedClient:
    return keyed.client("ada", Scope.ADMIN)


def send_video(client: KeyedClient, video: bytes = MP4, **headers: str) -> str:
    files, query = {"video": ("clip.mp4", video)}, {"every_n_second": 10}
    answer = client.http.post("/video_captions", files=files, params=query, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def send_edit(client: KeyedClient) -> httpx.Response:
    return client.http.post("/edits", files={"image": ("room.png", ROOM)}, data=WORDS)


def ids(client: KeyedClient, **query: object) -> list[str]:
    page = client.http.get("/jobs", params=query).json()
    assert page["total"] >= len(page["jobs"])
    return [job["id"] for job in page["jobs"]]


PARTS = (
    "",
    "/result",
    "/events",
    "/video",
    "/novelty",
    "/frames/0.jpg",
    "/frames/0/heatmap.png",
    "/search?q=dog",
    "/export.csv",
    "/moments/1.mp4",
    "/highlights.mp4",
    "/images/0.png",
    "/images/0.jpg",
    "/changes/0.png",
    "/masks/0.png",
    "/sources/0",
    "/contact-sheet.png",
    "/preview.jpg",
    "/photos/0.jpg",
)


def test_every_part_of_a_job_is_tried(keyed: KeyedGateway) -> None:
    document = keyed.anonymous.get("/openapi.json").json()
    found = {path for path in document["paths"] if path.startswith("/jobs/{job_id}")}
    assert len(found) == len(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_another_s_job_is_unknown(alice: KeyedClient, bob: KeyedClient, part: str) -> None:
    """In the very words of a job that never was: nobody learns that it is there."""
    job, never = send_video(alice), 32 * "0"
    refused = problem(bob.http.get(f"/jobs/{job}{part}"), 404)
    unknown = problem(bob.http.get(f"/jobs/{never}{part}"), 404)
    assert refused.type == unknown.type == "urn:framesense:problem:unknown-job"
    assert refused.detail.replace(job, never) == unknown.detail


def test_another_s_job_is_neither_cancelled_nor_deleted(alice: KeyedClient, bob: KeyedClient, ada: KeyedClient) -> None:
    job = send_video(alice)
    problem(bob.http.delete(f"/jobs/{job}"), 404)
    assert alice.http.get(f"/jobs/{job}").json()["state"] == "queued"
    assert ada.http.delete(f"/jobs/{job}").json()["state"] == "cancelled"
    problem(bob.http.delete(f"/jobs/{job}"), 404)
    assert alice.http.delete(f"/jobs/{job}").status_code == 204


def test_lists_hold_one_s_own_page_by_page(alice: KeyedClient, bob: KeyedClient, ada: KeyedClient) -> None:
    alices, bobs = [], []
    for number in range(3):
        alices.append(send_video(alice, MP4 + bytes([number])))
        bobs.append(send_video(bob, MP4 + bytes([number])))
    alices.append(send_edit(alice).json()["id"])
    assert ids(alice) == alices[::-1] and ids(bob) == bobs[::-1]
    assert ids(alice, kind="edit") == alices[3:] and ids(bob, kind="edit") == []
    assert set(ids(ada)) == {*alices, *bobs}
    first = alice.http.get("/jobs", params={"limit": 3}).json()
    assert first["total"] == 4 and [job["id"] for job in first["jobs"]] == alices[:0:-1]
    assert ids(alice, cursor=first["next_cursor"]) == alices[:1]


def test_a_place_in_the_queue_counts_everybody(alice: KeyedClient, bob: KeyedClient) -> None:
    send_video(alice)
    job = send_video(bob, MP4 + b"b")
    assert bob.http.get(f"/jobs/{job}").json()["queue_position"] == 1


def test_the_video_of_another_s_job_is_not_analysed_again(alice: KeyedClient, bob: KeyedClient) -> None:
    job = send_video(alice)
    problem(bob.http.post("/video_captions", files={"job_id": (None, job)}), 404)
    problem(bob.http.get("/video_captions/plan", params={"job_id": job}), 404)
    problem(bob.http.post("/edits", files={"job_id": (None, job)}, data=WORDS), 404)
    problem(bob.http.post("/references", json={"name": "mine", "job": job}), 404)


def test_another_s_upload_is_unknown(alice: KeyedClient, bob: KeyedClient, ada: KeyedClient) -> None:
    headers = {**TUS, "Upload-Length": str(len(MP4))}
    where = alice.http.post("/uploads", headers=headers).headers["location"]
    part = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert bob.http.head(where, headers=TUS).status_code == 404
    problem(bob.http.patch(where, headers=part, content=MP4), 404)
    problem(bob.http.delete(where, headers=TUS), 404)
    assert alice.http.patch(where, headers=part, content=MP4).status_code == 204
    upload = {"upload_id": (None, where.rsplit("/", 1)[1])}
    problem(bob.http.post("/video_captions", files=upload, params={"every_n_second": 10}), 404)
    assert ada.http.head(where, headers=TUS).status_code == 200
    assert alice.http.post("/video_captions", files=upload, params={"every_n_second": 10}).status_code == 202


def test_one_idempotency_key_of_two_clients_is_two(alice: KeyedClient, bob: KeyedClient) -> None:
    key = {"Idempotency-Key": "the-same"}
    first, other = send_video(alice, **key), send_video(bob, **key)
    assert first != other and send_video(alice, **key) == first and send_video(bob, **key) == other


def test_a1111_s_clients_follow_and_interrupt_their_own(alice: KeyedClient, bob: KeyedClient) -> None:
    named = {"X-Client-ID": "studio"}
    job = send_edit(alice).json()["id"]
    problem(bob.http.post("/sdapi/v1/interrupt", params={"id_task": job}), 404)
    problem(bob.http.get("/sdapi/v1/progress", params={"job_id": job}), 404)
    assert bob.http.get("/sdapi/v1/progress", headers=named).json()["state"]["job_count"] == 0
    assert bob.http.post("/internal/progress", json={"id_task": job}).json()["queued"] is False
    assert alice.http.post("/internal/progress", json={"id_task": job}).json()["queued"] is True
    assert alice.http.post("/sdapi/v1/interrupt", params={"id_task": job}, auth=("x", alice.text)).json() == {}
    assert alice.http.get(f"/jobs/{job}").json()["state"] == "cancelled"


def test_fair_shares_are_by_key_not_by_address(keyed: KeyedGateway, alice: KeyedClient, bob: KeyedClient) -> None:
    many = [send_edit(alice).json()["id"] for _ in range(4)]
    one = send_edit(bob).json()["id"]
    assert waiting(keyed.gateway.jobs._redis, "edit") == [*many[:2], one, *many[2:]]


@pytest.mark.parametrize("kind", ["label-sets", "classifiers"])
def test_what_is_shared_is_its_maker_s_to_change(
    keyed: KeyedGateway, alice: KeyedClient, bob: KeyedClient, ada: KeyedClient, kind: str
) -> None:
    tagger = keyed.gateway.tagger
    tagger.answer = Response(b'{"name": "rooms"}', 201, media_type="application/json")
    assert alice.http.post(f"/{kind}", json={"name": "rooms", "labels": ["kitchen"]}).status_code == 201
    tagger.answer = Response(b'{"name": "rooms"}', media_type="application/json")
    assert bob.http.get(f"/{kind}/rooms").status_code == 200
    tagger.requests.clear()
    assert "rooms" in problem(bob.http.delete(f"/{kind}/rooms"), 403).detail
    assert not bob.http.delete(f"/{kind}/rooms", params={"new_name": "mine"}).is_success
    if kind == "label-sets":
        problem(bob.http.put(f"/{kind}/rooms", json={"labels": ["bath"]}), 403)
    else:
        improved = bob.http.post(f"/{kind}/rooms/improve", files={"archive": ("a.zip", _zip())})
        assert problem(improved, 403).type.endswith("not-yours")
        tagger.answer = Response(b'{"name": "better"}', media_type="application/json")
        better = bob.http.post(f"/{kind}/rooms/improve?new_name=better", files={"archive": ("a.zip", _zip())})
        assert better.status_code == 200
        assert bob.http.delete(f"/{kind}/better").status_code == 200
    assert "DELETE" not in {received.method for received in tagger.requests if received.path.endswith("rooms")}
    assert alice.http.delete(f"/{kind}/rooms").status_code == 200
    assert ada.http.delete(f"/{kind}/rooms").status_code == 200


def test_what_is_not_there_is_not_another_s(keyed: KeyedGateway, alice: KeyedClient) -> None:
    gone = b'{"title": "Unknown", "status": 404, "detail": "There is no classifier rooms."}'
    keyed.gateway.tagger.answer = Response(gone, 404, media_type="application/problem+json")
    assert "no classifier" in problem(alice.http.delete("/classifiers/rooms"), 404).detail
    problem(alice.http.delete("/references/none"), 404)


def test_a_key_has_so_many_jobs_at_once(keyed: KeyedGateway, redis_url: str) -> None:
    client = keyed.client("carol", Scope.SUBMIT, KeyLimits(jobs=1))
    job = send_video(client)
    refused = client.http.post("/video_captions", files={"video": ("b.mp4", MP4)}, params={"every_n_second": 10})
    assert "may have 1" in problem(refused, 429).detail and refused.headers["retry-after"]
    client.http.delete(f"/jobs/{job}")
    send_video(client)


def test_a_key_has_room_for_so_many_bytes(keyed: KeyedGateway, alice: KeyedClient) -> None:
    client = keyed.client("carol", Scope.SUBMIT, KeyLimits(bytes=len(MP4) + 100))
    job = send_video(client)
    before = keyed.gateway.left_behind()
    refused = client.http.post(
        "/video_captions", files={"video": ("b.mp4", MP4 + b"b" * 100)}, params={"every_n_second": 10}
    )
    assert f"{len(MP4) + 100:,} bytes stored" in problem(refused, 507).detail
    problem(send_edit(client), 507)
    assert client.http.post("/uploads", headers={**TUS, "Upload-Length": "60"}).status_code == 201
    problem(client.http.post("/uploads", headers={**TUS, "Upload-Length": "60"}), 507)
    assert len(keyed.gateway.left_behind()) == len(before) + 2, "the announcement and the data of one upload"
    send_video(alice, MP4 + b"a" * 100)
    for _ in range(2):  # cancelled, then deleted
        assert client.http.delete(f"/jobs/{job}").is_success
    send_video(client, MP4 + b"c")


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("kitchen/a.jpg", ROOM)
    return stream.getvalue()
