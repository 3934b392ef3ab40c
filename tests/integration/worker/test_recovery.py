"""Jobs that nobody works on and no message waits for are queued again, and the log says why."""

import json
import logging
from datetime import UTC, datetime

import pytest
from redis import Redis

from framesense.jobs.payloads import EditPayload, EditSource
from framesense.jobs.queue import create_celery, enqueue, waiting
from framesense.jobs.store import QUEUED_AT_MOST, JobStore
from framesense.schemas.jobs import Job, JobKind
from framesense.settings import JobSettings
from worker.jobs.recovery import Recovery


def _create(jobs: JobStore) -> Job:
    payload = EditPayload(edit=EditSource(photos=["a.png"]))
    return jobs.create(JobKind.EDIT, name="a.png", parameters={}, payload=payload)


def _age(redis: Redis, job: Job) -> None:
    """Let a job have waited for long."""
    long_ago = json.dumps((datetime.now(UTC) - QUEUED_AT_MOST).isoformat())
    redis.hset(f"framesense:job:{job.id}", "created_at", long_ago)


def test_jobs_that_no_message_waits_for_are_queued_again(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        jobs = JobStore(redis, lease_seconds=10, retention_seconds=100)
        celery = create_celery(JobSettings(redis_url=redis_url))
        recovery = Recovery(redis, jobs, celery)
        waits, lost, died, handed_back, held, ended, young = (_create(jobs) for _ in range(7))
        for job in (waits, lost, died, handed_back, held, ended):
            _age(redis, job)
        for job in (died, handed_back, held, ended):
            jobs.start(job.id)
        for job in (waits, handed_back):
            enqueue(celery, job.kind, job.id)
        assert jobs.lease(held.id)
        jobs.cancel(ended.id)
        with caplog.at_level(logging.INFO, logger="worker.jobs.recovery"):
            assert set(recovery.sweep()) == {lost.id, died.id}
        assert {record.getMessage() for record in caplog.records} == {
            f"job {lost.id}: its message was lost; queued again",
            f"job {died.id}: its worker is gone; queued again",
        }
        assert set(waiting(redis, "edit")) == {waits.id, lost.id, died.id, handed_back.id}
        assert recovery.sweep() == []
        redis.delete("edit")  # the queue is lost again, at once
        assert set(recovery.sweep()) == {waits.id, lost.id, died.id, handed_back.id}
        assert young.id not in waiting(redis, "edit"), "its message may be on its way"
        celery.close()
