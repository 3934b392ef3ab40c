"""Following a job: every change arrives, a dropped connection goes on where it was, and nothing listens for nobody."""

import json
import threading
from collections.abc import Iterator

import httpx
import pytest
from redis import Redis

from framesense.schemas.jobs import Job, JobState, Progress
from tests.support.gateway_process import MP4, Gateway, problem
from tests.support.waiting import wait_until

Received = tuple[str, Job]


def events(answer: httpx.Response) -> Iterator[Received]:
    """(id, job) of each server-sent event."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            assert fields["event"] == "job"
            yield fields["id"], Job.model_validate(json.loads(fields["data"]))
            fields = {}


def listeners(redis_url: str) -> int:
    """Clients that wait for a stream's next entry."""
    with Redis.from_url(redis_url) as redis:
        return int(redis.info("clients")["blocked_clients"])


def test_every_change_arrives_and_the_stream_ends_with_the_job(gateway: Gateway, redis_url: str) -> None:
    job = gateway.submit(MP4)
    with gateway.http.stream("GET", f"/jobs/{job.id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = events(answer)
        assert next(stream)[1].state is JobState.QUEUED
        gateway.jobs.start(job.id)
        assert next(stream)[1].state is JobState.RUNNING
        gateway.jobs.progress(job.id, Progress(done=1, total=2))
        assert next(stream)[1].progress == Progress(done=1, total=2)
        gateway.jobs.cancel(job.id)
        assert [received.state for _, received in stream] == [JobState.CANCELLED]
    wait_until(lambda: listeners(redis_url) == 0)


def test_a_finished_job_is_told_once(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    gateway.analyse(job, ["a dog"], [[0, 1]])
    with gateway.http.stream("GET", f"/jobs/{job.id}/events") as answer:
        assert [received.state for _, received in events(answer)] == [JobState.SUCCEEDED]


def test_a_listener_goes_on_where_it_left_off(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    gateway.jobs.start(job.id)
    with gateway.http.stream("GET", f"/jobs/{job.id}/events") as answer:
        last, _ = next(events(answer))
    for done in range(3):
        gateway.jobs.progress(job.id, Progress(done=done, total=3))
    gateway.jobs.cancel(job.id)
    with gateway.http.stream("GET", f"/jobs/{job.id}/events", headers={"Last-Event-ID": last}) as answer:
        received = list(events(answer))
    assert [event.progress.done for _, event in received] == [0, 1, 2, 2]
    assert received[-1][1].state is JobState.CANCELLED

    # Browsers reconnect after every end of a stream, unless they are told not to.
    done = gateway.http.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": received[-1][0]})
    assert done.status_code == 204


@pytest.mark.parametrize("last", ["", "nonsense", "99999999999999-0", "-", "0", "1-x", "1" * 60])
def test_a_strange_last_event_counts_as_none(gateway: Gateway, last: str) -> None:
    job = gateway.submit(MP4)
    gateway.jobs.cancel(job.id)
    with gateway.http.stream("GET", f"/jobs/{job.id}/events", headers={"Last-Event-ID": last}) as answer:
        assert [received.state for _, received in events(answer)] == [JobState.CANCELLED]


def test_signs_of_life_between_events(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    with gateway.http.stream("GET", f"/jobs/{job.id}/events") as answer:
        assert any(line.startswith(":") for line in answer.iter_lines())


def test_a_listener_that_goes_away_leaves_nothing_running(gateway: Gateway, redis_url: str) -> None:
    job = gateway.submit(MP4)
    with gateway.http.stream("GET", f"/jobs/{job.id}/events") as answer:
        stream = events(answer)  # kept: the connection ends with it
        next(stream)
        wait_until(lambda: listeners(redis_url) == 1)
    wait_until(lambda: listeners(redis_url) == 0)


def test_the_stream_of_a_deleted_job_ends(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    with gateway.http.stream("GET", f"/jobs/{job.id}/events") as answer:
        stream = events(answer)
        next(stream)
        gateway.jobs.delete(job.id)
        assert list(stream) == []
    problem(gateway.http.get(f"/jobs/{job.id}/events"), 404)


def test_many_listeners_hear_the_same(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    heard: list[list[JobState]] = []

    def listen() -> None:
        with httpx.stream("GET", f"{gateway.http.base_url}/jobs/{job.id}/events", timeout=30) as answer:
            heard.append([received.state for _, received in events(answer)])

    threads = [threading.Thread(target=listen) for _ in range(20)]
    for thread in threads:
        thread.start()
    wait_until(lambda: listeners(gateway.settings.redis_url) == 20)
    gateway.jobs.start(job.id)
    gateway.jobs.cancel(job.id)
    for thread in threads:
        thread.join()
    assert heard == [[JobState.QUEUED, JobState.RUNNING, JobState.CANCELLED]] * 20


@pytest.mark.parametrize(
    "last",
    ["1-99999999999999999999", "0-18446744073709551616", "99999999999999999999-0", "1" * 5000, "x", "", "é"],
)
def test_an_event_id_that_cannot_be_starts_from_the_newest(gateway: Gateway, last: str) -> None:
    job = gateway.submit(MP4)
    gateway.jobs.cancel(job.id)
    headers = [(b"Last-Event-ID", last.encode("latin-1"))]
    answer = gateway.http.get(f"/jobs/{job.id}/events", headers=headers)
    assert answer.status_code == 200
    assert "cancelled" in answer.text


def test_head_of_an_event_stream_ends(gateway: Gateway) -> None:
    job = gateway.submit(MP4)
    answer = gateway.http.head(f"/jobs/{job.id}/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    wait_until(lambda: listeners(gateway.settings.redis_url) == 0)
