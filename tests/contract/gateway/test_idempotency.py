"""The same request sent twice: one job under one Idempotency-Key, and honest answers where nobody can wait."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from framesense.schemas.jobs import Job
from gateway.app import create_app
from tests.support.gateway_process import MP4, Gateway, problem, running_gateway, served
from tests.support.photos import photo
from tests.support.waiting import wait_until
from tests.support.workers import NOBODY

KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
PHOTO = photo("red")
REQUESTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "/video_captions": ({"video": ("a.mp4", MP4)}, {"every_n_second": "5"}),
    "/photo-sets": ({"photos": ("a.jpg", PHOTO)}, {"labels": "red,blue"}),
    "/edits": ({"image": ("a.jpg", PHOTO)}, {"prompt": "a blue room"}),
    "/edits/series": (
        {"image": ("a.jpg", PHOTO)},
        {
            "parameters": '{"base": {"prompt": "x"}, "rows": {"parameter": "seed", "values": [1, 2]}, '
            '"columns": {"parameter": "strength", "values": [0.5]}}'
        },
    ),
}


def post(gateway: Gateway, path: str, headers: dict[str, str] = KEY, **changes: Any) -> httpx.Response:
    files, data = REQUESTS[path]
    return gateway.http.post(path, files=files, data={**data, **changes}, headers=headers)


@pytest.mark.parametrize("path", REQUESTS)
def test_the_same_request_under_the_same_key_is_one_job(gateway: Gateway, path: str) -> None:
    first, second = (Job.model_validate(post(gateway, path).raise_for_status().json()) for _ in range(2))
    bare = post(gateway, path, {"Idempotency-Key": KEY["Idempotency-Key"].strip('"')})
    assert first.id == second.id == bare.json()["id"]
    assert bare.headers["location"] == f"/jobs/{first.id}"
    other = post(gateway, path, {"Idempotency-Key": "another"})
    assert other.json()["id"] != first.id
    assert post(gateway, path, {}).json()["id"] != first.id
    assert gateway.jobs.page().total == 3


@pytest.mark.parametrize("path", ["/video_captions", "/photo-sets"])
def test_the_key_of_another_request_is_refused(gateway: Gateway, path: str) -> None:
    post(gateway, path).raise_for_status()
    changed = {"/video_captions": {"every_n_second": "6"}, "/photo-sets": {"labels": "red,green"}}[path]
    assert problem(post(gateway, path, **changed), 422).type.endswith(":idempotency-key-reused")
    assert problem(post(gateway, "/edits"), 422).type.endswith(":idempotency-key-reused")
    assert gateway.jobs.page().total == 1


def test_a_refused_request_uses_no_key_up(gateway: Gateway) -> None:
    refused = gateway.http.post("/video_captions", data={"job_id": "0" * 32}, headers=KEY)
    problem(refused, 404)
    post(gateway, "/video_captions").raise_for_status()


def test_the_key_of_a_deleted_job_starts_another(gateway: Gateway) -> None:
    first = post(gateway, "/video_captions").json()["id"]
    for _ in ("cancelled", "deleted"):
        gateway.http.delete(f"/jobs/{first}").raise_for_status()
    assert post(gateway, "/video_captions").json()["id"] != first


def test_a_request_under_way_is_not_doubled(gateway: Gateway, redis_url: str) -> None:
    first = post(gateway, "/video_captions").json()["id"]
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        (name,) = redis.keys("framesense:idempotency:*")
        held = str(redis.get(name))
        assert held.endswith(f" {first}") and 0 < int(redis.ttl(name)) <= gateway.settings.idempotency_retention
        redis.set(name, held.removesuffix(first))
        answer = post(gateway, "/video_captions")
        assert problem(answer, 409).type.endswith(":request-under-way")
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("key", ["", '""', "a b", "ä".encode(), b"x" * 256])
def test_what_is_no_key_is_refused(gateway: Gateway, key: str | bytes) -> None:
    answer = post(gateway, "/video_captions", {"Idempotency-Key": key})  # type: ignore[dict-item]
    assert problem(answer, 400).type.endswith(":invalid-idempotency-key")
    assert gateway.jobs.page().total == 0


@pytest.fixture
def crowded(redis_url: str, tmp_path: Path) -> Iterator[Gateway]:
    with running_gateway(redis_url, tmp_path, event_listeners=1) as gateway:
        yield gateway


def test_where_too_many_wait_the_job_is_the_answer(crowded: Gateway) -> None:
    followed = crowded.submit(MP4)
    with crowded.http.stream("GET", f"/jobs/{followed.id}/events") as stream:
        next(stream.iter_lines())
        answer = crowded.http.post(
            "/video_captions", files={"video": ("b.mp4", MP4 + b"b")}, headers={"Prefer": "wait=30"}
        )
        assert answer.status_code == 202, answer.text
        assert "preference-applied" not in answer.headers
        told = problem(crowded.http.get(f"/jobs/{followed.id}/events"), 503)
        assert told.type.endswith(":too-many-listeners")
    assert crowded.jobs.page().total == 2


def test_whoever_waits_while_the_gateway_stops_gets_the_job(gateway: Gateway) -> None:
    answers: list[httpx.Response] = []
    with served(create_app(gateway.settings.model_copy(update={"captioner_url": NOBODY}))) as (url, stop):
        files = {"video": ("a.mp4", MP4)}

        def ask() -> None:
            answers.append(httpx.post(f"{url}/video_captions", files=files, headers={"Prefer": "wait=200"}, timeout=60))

        client = threading.Thread(target=ask)
        client.start()
        wait_until(lambda: gateway.jobs.page().total == 1)
        stop()
        client.join()
    (answer,) = answers
    assert answer.status_code == 202, answer.text
    assert gateway.jobs.get(answer.json()["id"]) is not None
