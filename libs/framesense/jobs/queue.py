"""The task queue: one Celery configuration for those who send tasks and those who carry them out.

Redis hands a task that nobody acknowledged within ``job_visibility_timeout`` to another worker, even while the first
still works on it. A task therefore only starts a job whose lease it gets (:mod:`framesense.jobs.store`), and a job
whose worker died is found by its lapsed lease, not by that timeout.

Within a queue some kinds go first (:data:`PRIORITIES`): the transport keeps one Redis list a priority and takes from a
later one only while those before it are empty. A single edit thus passes every series that waits.
"""

import base64
import json
from collections.abc import Iterator
from typing import cast

from celery import Celery
from kombu.transport.redis import Channel
from redis import Redis

from framesense.schemas.jobs import JobKind
from framesense.settings import JobSettings

TASKS = {
    JobKind.VIDEO: "framesense.video.analyse",
    JobKind.PHOTO_SET: "framesense.dataset.tag",
    JobKind.EDIT: "framesense.edit.make",
    JobKind.EDIT_SERIES: "framesense.edit.make_series",
}
"""The task that carries out each kind of job; its one argument is the job's id."""
QUEUES = {JobKind.VIDEO: "video", JobKind.PHOTO_SET: "dataset", JobKind.EDIT: "edit", JobKind.EDIT_SERIES: "edit"}
PRIORITIES = {JobKind.EDIT_SERIES: 6}
"""0, the default, is the first; kombu knows 0, 3, 6 and 9."""


def create_celery(settings: JobSettings) -> Celery:
    """Create a Celery application for sending and for carrying out tasks."""
    app = Celery("framesense", broker=settings.redis_url)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_default_queue="video",
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": settings.job_visibility_timeout,
            # How often a worker looks for such tasks: kombu's own 100 s would be long beside a short timeout.
            "unacked_restore_interval": min(10.0, settings.job_visibility_timeout / 4),
            "unacked_restore_throttle": 1,
        },
    )
    return app


def enqueue(app: Celery, kind: JobKind, job_id: str) -> None:
    """Send a job's task to its queue. Raises kombu.exceptions.OperationalError when Redis cannot be reached."""
    app.send_task(TASKS[kind], args=[job_id], queue=QUEUES[kind], priority=PRIORITIES.get(kind, 0), retry=False)


def waits(redis: Redis, kind: JobKind) -> bool:
    """Return whether a task of this kind's priority waits in its queue."""
    return redis.llen(_list_of(QUEUES[kind], PRIORITIES.get(kind, 0))) > 0


def waiting(redis: Redis, queue: str) -> list[str]:
    """Return the ids of the jobs whose tasks no worker has taken yet, in the order in which they will be taken.

    Each is listed once, though a job may have a message too many (:mod:`framesense.jobs.store`). ``redis`` must decode
    responses to str.
    """
    # New messages are pushed at the head of a list and taken from its tail.
    messages = (message for name in _lists(queue) for message in reversed(_messages(redis, name)))
    return list(dict.fromkeys(_job_ids(messages)))


def _lists(queue: str) -> list[str]:
    """Return the Redis lists that a queue consists of, in the order in which they are emptied."""
    return [_list_of(queue, priority) for priority in sorted({0, *PRIORITIES.values()})]


def _list_of(queue: str, priority: int) -> str:
    return f"{queue}{Channel.sep}{priority}" if priority else queue


def _messages(redis: Redis, name: str) -> list[str]:
    return cast(list[str], redis.lrange(name, 0, -1))


def _job_ids(messages: Iterator[str]) -> Iterator[str]:
    """Read job ids from messages: a body is base64 of Celery's ``[args, kwargs, embed]``, the id its only argument."""
    for message in messages:
        (job_id,), *_ = json.loads(base64.b64decode(json.loads(message)["body"]))
        yield job_id
