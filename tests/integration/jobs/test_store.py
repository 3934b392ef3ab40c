"""Jobs in a real Redis: every change is one step, from the states it may come from, and is told."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from framesense.jobs.payloads import EditPayload, EditSource, Payload, StoredFile, VideoPayload
from framesense.jobs.store import INDEX, QUEUED_AT_MOST, JobStore, events_key, read_event
from framesense.schemas.jobs import Job, JobKind, JobState, Progress
from framesense.schemas.problems import Problem

PROBLEM = Problem(title="Broken", status=422, detail="It broke.")


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def jobs(redis: Redis) -> JobStore:
    return JobStore(redis, lease_seconds=10, retention_seconds=100)


def payload_of(name: str) -> VideoPayload:
    return VideoPayload(
        video=StoredFile(sha256="0" * 64, name=name, bytes=1), every_n_second=2.5, beams=4, max_tokens=24
    )


def create(jobs: JobStore, name: str = "clip.mp4") -> Job:
    return jobs.create(JobKind.VIDEO, name=name, parameters={"every_n_second": 2.5}, payload=payload_of(name))


def events(redis: Redis, job: Job) -> list[Job]:
    return [read_event(fields["job"]) for _, fields in redis.xrange(events_key(job.id))]


def test_a_new_job_is_queued_and_told(jobs: JobStore, redis: Redis) -> None:
    job = create(jobs, "süd.mp4")
    assert job.state is JobState.QUEUED
    assert jobs.get(job.id) == job
    assert jobs.payload(job.id, VideoPayload) == payload_of("süd.mp4")
    assert events(redis, job) == [job]


def test_the_life_of_a_job(jobs: JobStore, redis: Redis) -> None:
    job = create(jobs)
    assert jobs.start(job.id)
    assert jobs.progress(job.id, Progress(done=1, total=2, message="half"))
    assert jobs.succeed(job.id, "/result")
    ended = jobs.get(job.id)
    assert ended is not None
    assert (ended.state, ended.result_url) == (JobState.SUCCEEDED, "/result")
    assert ended.progress == Progress(done=1, total=2, message="half")
    assert ended.started_at is not None and ended.finished_at is not None
    assert job.created_at <= ended.started_at <= ended.finished_at
    told = [(event.state, event.progress.done) for event in events(redis, job)]
    assert told == [
        (JobState.QUEUED, 0),
        (JobState.RUNNING, 0),
        (JobState.RUNNING, 1),
        (JobState.SUCCEEDED, 1),
    ]


FINISHES: dict[JobState, Callable[[JobStore, str], bool]] = {
    JobState.SUCCEEDED: lambda jobs, job_id: jobs.succeed(job_id, "/result"),
    JobState.FAILED: lambda jobs, job_id: jobs.fail(job_id, PROBLEM),
    JobState.CANCELLED: lambda jobs, job_id: jobs.cancel(job_id),
}


@pytest.mark.parametrize("first", FINISHES)
@pytest.mark.parametrize("started", [False, True])
def test_a_finished_job_stays_as_it_is(jobs: JobStore, redis: Redis, first: JobState, started: bool) -> None:
    job = create(jobs)
    if started:
        jobs.start(job.id)
    assert FINISHES[first](jobs, job.id)
    before = jobs.get(job.id)
    told = len(events(redis, job))
    assert not any(finish(jobs, job.id) for finish in FINISHES.values())
    assert not jobs.start(job.id)
    assert not jobs.progress(job.id, Progress(done=9))
    assert not jobs.is_running(job.id)
    assert jobs.get(job.id) == before
    assert len(events(redis, job)) == told


def test_a_failure_keeps_its_problem(jobs: JobStore) -> None:
    job = create(jobs)
    jobs.fail(job.id, PROBLEM)
    failed = jobs.get(job.id)
    assert failed is not None and failed.error == PROBLEM


def test_a_cancel_and_a_finish_that_meet_leave_one_of_the_two(jobs: JobStore, redis: Redis) -> None:
    with ThreadPoolExecutor(len(FINISHES)) as pool:
        for _ in range(20):
            job = create(jobs)
            jobs.start(job.id)
            answers = list(pool.map(lambda finish, job_id: finish(jobs, job_id), FINISHES.values(), [job.id] * 3))
            assert sorted(answers) == [False, False, True]
            told = [event.state for event in events(redis, job)]
            assert len(told) == 3
            ended = jobs.get(job.id)
            assert ended is not None and ended.state is told[-1]
            assert (ended.error is not None) is (ended.state is JobState.FAILED)


def test_progress_is_only_for_running_jobs(jobs: JobStore) -> None:
    job = create(jobs)
    assert not jobs.progress(job.id, Progress(done=1))
    assert not jobs.is_running(job.id)
    jobs.start(job.id)
    assert jobs.is_running(job.id)


def test_a_second_start_keeps_the_first_ones_time(jobs: JobStore) -> None:
    job = create(jobs)
    jobs.start(job.id)
    first = jobs.get(job.id)
    assert jobs.start(job.id)
    assert jobs.get(job.id) == first


def test_an_unknown_job(jobs: JobStore) -> None:
    assert jobs.get("x") is None
    assert not jobs.start("x")
    assert not jobs.cancel("x")
    assert not jobs.is_running("x")
    with pytest.raises(KeyError):
        jobs.payload("x", Payload)
    jobs.delete("x")


def test_pages(jobs: JobStore) -> None:
    made = [create(jobs, f"{n}.mp4") for n in range(5)]
    page = jobs.page(limit=2, offset=1)
    assert page.jobs == [made[3], made[2]]
    assert page.total == 5
    assert jobs.page(offset=5).jobs == []


def test_pages_of_some_kinds_by_cursor(jobs: JobStore, redis: Redis) -> None:
    edit = EditPayload(edit=EditSource(photos=["a.png"]))
    made = [
        jobs.create(kind, name=str(n), parameters={}, payload=edit if kind is JobKind.EDIT else payload_of(str(n)))
        for n, kind in enumerate([JobKind.VIDEO, JobKind.EDIT] * 4)
    ]
    for job in made:  # all in the same instant: their ids decide
        redis.hset(f"framesense:job:{job.id}", "created_at", json.dumps(made[0].created_at.isoformat()))
        redis.zadd(f"framesense:jobs:{job.kind}", {job.id: made[0].created_at.timestamp()})
    for kinds in ([JobKind.EDIT], [JobKind.VIDEO, JobKind.EDIT], []):
        whole = jobs.page(kinds=kinds)
        assert (len(whole.jobs), whole.total, whole.next_cursor) == (4 if len(kinds) == 1 else 8,) * 2 + (None,)
    first = jobs.page(limit=3, kinds=[JobKind.VIDEO])
    jobs.delete(first.jobs[-1].id)
    rest = jobs.page(limit=3, kinds=[JobKind.VIDEO], cursor=first.next_cursor)
    assert len(rest.jobs) == 1 and rest.jobs[0] not in first.jobs and rest.next_cursor is None


def test_jobs_of_a_release_without_an_index_by_kind_are_listed(jobs: JobStore, redis: Redis) -> None:
    made = [create(jobs, f"{n}.mp4") for n in range(3)]
    redis.delete("framesense:jobs:video")
    redis.zadd("framesense:jobs", {"gone": 1.0})
    assert jobs.page().jobs == []
    jobs.index()
    assert jobs.page(kinds=[JobKind.VIDEO]).jobs == made[::-1]
    assert redis.zcard("framesense:jobs") == 3


def test_jobs_about_the_same_file_know_of_each_other(jobs: JobStore, redis: Redis) -> None:
    one, two = create(jobs, "1.mp4"), create(jobs, "2.mp4")
    other = jobs.create(JobKind.EDIT, name="e", parameters={}, payload=EditPayload(edit=EditSource(photos=[])))
    sha256 = payload_of("1.mp4").video.sha256
    assert jobs.sharing(sha256) == sorted([one.id, two.id])
    jobs.delete(one.id)
    jobs.delete(other.id)
    assert jobs.sharing(sha256) == [two.id]
    redis.delete(f"framesense:content:{sha256}:jobs")  # as releases before left it
    jobs.index()
    assert jobs.sharing(sha256) == [two.id]
    redis.delete(f"framesense:content:{sha256}:jobs")
    jobs.index()
    assert jobs.sharing(sha256) == [], "it is made once"


def test_a_deleted_job_leaves_nothing(jobs: JobStore, redis: Redis) -> None:
    job = create(jobs)
    jobs.start(job.id)
    assert jobs.lease(job.id)
    jobs.delete(job.id)
    assert redis.keys() == []


def test_one_lease_at_a_time(jobs: JobStore, redis: Redis) -> None:
    job = create(jobs)
    lease = jobs.lease(job.id)
    assert lease is not None
    assert jobs.lease(job.id) is None
    redis.pexpire(f"framesense:job:{job.id}:lease", 500)
    assert lease.renew()
    assert redis.pttl(f"framesense:job:{job.id}:lease") > 9000
    assert lease.release()
    assert not lease.renew()

    second = jobs.lease(job.id)
    assert second is not None
    assert not lease.release(), "a lease that was lost does not end another's"
    assert jobs.lease(job.id) is None


def test_the_same_work_is_claimed_by_one_job_whose_worker_lives(jobs: JobStore) -> None:
    first, second, third = create(jobs), create(jobs), create(jobs)
    held = jobs.lease(first.id)
    assert held is not None
    assert jobs.lease(second.id) is not None
    assert jobs.claim("work", first.id) == first.id
    assert jobs.claim("work", second.id) == first.id
    assert jobs.claim("work", first.id) == first.id, "a worker that takes the job over claims it again"
    assert jobs.claim("other", second.id) == second.id
    assert held.release()
    assert jobs.claim("work", second.id) == second.id, "the first has ended, or its worker died"
    assert jobs.claim("work", third.id) == second.id
    jobs.release_claim("work", first.id)
    assert jobs.claim("work", third.id) == second.id, "only who has it gives it back"
    jobs.release_claim("work", second.id)
    assert jobs.claim("work", third.id) == third.id


def test_a_job_that_begins_again_counts_anew(jobs: JobStore) -> None:
    job = create(jobs)
    assert not jobs.restart(job.id, Progress(message="again"))
    jobs.start(job.id)
    jobs.progress(job.id, Progress(done=7, total=9))
    before = jobs.get(job.id)
    assert jobs.restart(job.id, Progress(message="again"))
    after = jobs.get(job.id)
    assert before is not None and after is not None
    assert after.progress == Progress(message="again")
    assert before.started_at and after.started_at and after.started_at > before.started_at
    jobs.cancel(job.id)
    assert not jobs.restart(job.id, Progress(message="again"))


def test_orphans_are_running_jobs_without_a_lease(jobs: JobStore) -> None:
    queued, held, orphan, ended = (create(jobs) for _ in range(4))
    for job in (held, orphan, ended):
        jobs.start(job.id)
    jobs.succeed(ended.id, "/result")
    jobs.lease(held.id)
    assert [job.id for job in jobs.orphans()] == [orphan.id]
    assert queued.state is JobState.QUEUED


def test_a_job_queued_for_long_may_have_lost_its_message(jobs: JobStore, redis: Redis) -> None:
    fresh, forgotten = create(jobs), create(jobs)
    long_ago = json.dumps((datetime.now(UTC) - QUEUED_AT_MOST).isoformat())
    redis.hset(f"framesense:job:{forgotten.id}", "created_at", long_ago)
    assert [job.id for job in jobs.orphans()] == [forgotten.id]
    assert fresh.state is JobState.QUEUED


def test_what_is_found_out_later_joins_the_payload(jobs: JobStore) -> None:
    job = create(jobs)
    jobs.save_payload(job.id, payload_of("clip.mp4").with_work("abc"))
    assert jobs.payload(job.id, VideoPayload).work == "abc"
    with pytest.raises(KeyError):
        jobs.save_payload("x", payload_of("clip.mp4"))


def test_finished_jobs_expire(jobs: JobStore, redis: Redis) -> None:
    finished, running, recent = (create(jobs) for _ in range(3))
    jobs.cancel(finished.id)
    jobs.start(running.id)
    jobs.cancel(recent.id)
    long_ago = (datetime.now(UTC) - timedelta(seconds=200)).timestamp()
    redis.zadd(INDEX, {finished.id: long_ago, running.id: long_ago})
    assert [job.id for job in jobs.expired()] == [finished.id]


def test_states(jobs: JobStore) -> None:
    assert jobs.states() == {}
    first = create(jobs)
    create(jobs)
    jobs.cancel(first.id)
    assert jobs.states() == {JobState.CANCELLED: 1, JobState.QUEUED: 1}


def test_events_do_not_grow_without_end(jobs: JobStore, redis: Redis) -> None:
    job = create(jobs)
    jobs.start(job.id)
    for done in range(1500):
        jobs.progress(job.id, Progress(done=done))
    assert redis.xlen(events_key(job.id)) < 700
    assert events(redis, job)[-1].progress.done == 1499
