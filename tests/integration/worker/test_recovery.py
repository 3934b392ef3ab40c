"""Jobs that nobody works on are queued again, once, and the log says why."""

import json
import logging
from datetime import UTC, datetime

import pytest
from redis import Redis

from framesense.jobs.payloads import EditPayload, EditSource
from framesense.jobs.queue import create_celery, waiting
from framesense.jobs.store import QUEUED_AT_MOST, JobStore
from framesense.schemas.jobs import Job, JobKind
from framesense.settings import JobSettings
from worker.jobs.recovery import Recovery


def _create(jobs: JobStore) -> Job:
    payload = EditPayload(edit=EditSource(photos=["a.png"]))
    return jobs.create(JobKind.EDIT, name="a.png", parameters={}, payload=payload)


def test_a_job_that_only_waits_is_not_called_abandoned(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        jobs = JobStore(redis, lease_seconds=10, retention_seconds=100)
        celery = create_celery(JobSettings(redis_url=redis_url))
        recovery = Recovery(redis, jobs, celery, mark_seconds=100)
        waits, died = _create(jobs), _create(jobs)
        long_ago = json.dumps((datetime.now(UTC) - QUEUED_AT_MOST).isoformat())
        redis.hset(f"framesense:job:{waits.id}", "created_at", long_ago)
        jobs.start(died.id)
        with caplog.at_level(logging.INFO, logger="worker.jobs.recovery"):
            assert set(recovery.sweep()) == {waits.id, died.id}
        said = {record.getMessage(): record.levelname for record in caplog.records}
        assert said == {
            f"job {waits.id}: still waits for a worker; queued again, in case its message was lost": "INFO",
            f"job {died.id}: its worker is gone; queued again": "WARNING",
        }
        assert set(waiting(redis, "edit")) == {waits.id, died.id}
        assert recovery.sweep() == []
        celery.close()
