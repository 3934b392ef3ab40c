"""Redis has no room to write, for a while: nothing that was accepted is lost, and workers go on by themselves."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from framesense.jobs.listeners import Listeners
from framesense.jobs.payloads import EditPayload, EditSource
from framesense.jobs.queue import create_celery, enqueue
from framesense.schemas.jobs import Job, JobKind, JobState
from framesense.settings import JobSettings
from tests.support.gateway_edits import ROOM, send_edit
from tests.support.gateway_process import MP4, problem, running_gateway
from tests.support.processes import RedisProcess, running_durable_redis, supervised
from tests.support.waiting import wait_until
from tests.support.workers import LEASE_SECONDS, WorkerStack
from tools.processes import ProcessFolder


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with running_durable_redis(tmp_path) as process:
        yield process


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[ProcessFolder]:
    with supervised(ProcessFolder(tmp_path / "stack", ["edit-worker"], os.environ, grace=5)) as folder:
        yield folder


@pytest.fixture
def stack(redis: RedisProcess, tmp_path: Path) -> Iterator[WorkerStack]:
    stack = WorkerStack(redis.url, tmp_path, worker_queues="edit", worker_editor_retry_seconds=0)
    yield stack
    stack.close()


def _submit(stack: WorkerStack) -> Job:
    """Queue an edit whose editor is not there: what counts is that a worker takes it, and ends it with that reason."""
    payload = EditPayload(edit=EditSource(photos=["a.png"]))
    job = stack.jobs.create(JobKind.EDIT, name="a.png", parameters={"prompt": "x", "seed": 1}, payload=payload)
    with create_celery(JobSettings(redis_url=stack.environment["REDIS_URL"])) as celery:
        enqueue(celery, job.kind, job.id)
    return job


def test_workers_go_on_when_redis_may_write_again(
    redis: RedisProcess, stack: WorkerStack, processes: ProcessFolder
) -> None:
    with Redis.from_url(redis.url, decode_responses=True) as client:
        listeners = Listeners(client, within=2 * LEASE_SECONDS)
        processes.start(stack.program("edit-worker"))
        wait_until(lambda: listeners.count(["edit"])["edit"] == 1, explain=lambda: processes.tail("edit-worker"))
        before = _submit(stack)
        wait_until(lambda: stack.get(before).state.finished, explain=lambda: processes.tail("edit-worker"))
        assert stack.get(before).state is JobState.FAILED
        with redis.full_disk():
            wait_until(lambda: listeners.count(["edit"])["edit"] == 0, explain=lambda: processes.tail("edit-worker"))
        wait_until(lambda: listeners.count(["edit"])["edit"] == 1, explain=lambda: processes.tail("edit-worker", 40))
        after = _submit(stack)
        wait_until(lambda: stack.get(after).state.finished, explain=lambda: processes.tail("edit-worker", 40))
        error = stack.get(after).error
        assert error and "editor" in error.type


def test_the_gateway_says_that_there_is_no_room_and_takes_jobs_again(redis: RedisProcess, tmp_path: Path) -> None:
    with running_gateway(redis.url, tmp_path / "gateway") as gateway:
        kept = send_edit(gateway)
        with redis.full_disk():
            for path, files in (("/edits", {"image": ("a.png", ROOM)}), ("/video_captions", {"video": ("a.mp4", MP4)})):
                refused = gateway.http.post(path, files=files, data={"prompt": "x"} if path == "/edits" else {})
                assert problem(refused, 507).type.endswith(":storage-full")
            assert [job["id"] for job in gateway.http.get("/jobs").json()["jobs"]] == [kept.id]
        assert gateway.left_behind() == []
        send_edit(gateway)
        assert gateway.jobs.page().total == 2
        wait_until(lambda: len(gateway.storage.list("edits")) == 2)
