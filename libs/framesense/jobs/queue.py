"""The task queue: one Celery configuration for those who send tasks and those who carry them out.

Redis hands a task that nobody acknowledged within ``job_visibility_timeout`` to another worker, even while the first
still works on it. A task therefore only starts a job whose lease it gets (:mod:`framesense.jobs.store`), and a job
whose worker died is found by its lapsed lease, not by that timeout.

Within a queue some jobs go first: the transport keeps one Redis list a priority and takes from a later one only while
those before it are empty. A single edit thus passes every series that waits (:data:`PRIORITIES`), and a job goes steps
later (its lateness) where its client has others under way already, or where it has had a turn and gave way: a
multilevel feedback queue, in which short work passes long work and one client's fifty jobs do not hold up another's
one.
"""

import base64
import json
from collections.abc import Iterable, Iterator
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
"""Of a job that is not late; 0, the default, is the first."""
STEPS = (0, 3, 6, 9)
"""The priorities that kombu knows."""
HARDLY_FAIR = 5
"""A client with so many times its share of jobs under way sends its next ones two steps later, not one."""


def lateness(unfinished: int, share: int) -> int:
    """Return the steps by which a client's next job goes after others', with so many unfinished ones before it."""
    return sum(unfinished >= limit for limit in (share, HARDLY_FAIR * share))


def priority(kind: JobKind, late: int) -> int:
    """Return the priority of a job that is ``late`` steps late."""
    return STEPS[min(STEPS.index(PRIORITIES.get(kind, 0)) + late, len(STEPS) - 1)]


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


def enqueue(app: Celery, kind: JobKind, job_id: str, late: int = 0) -> None:
    """Send a job's task to its queue. Raises kombu.exceptions.OperationalError when Redis cannot be reached."""
    app.send_task(TASKS[kind], args=[job_id], queue=QUEUES[kind], priority=priority(kind, late), retry=False)


def waits(redis: Redis, queues: Iterable[str], upto: int) -> bool:
    """Return whether a task waits in one of the queues that has this priority, or goes before those that have."""
    lists = [_list_of(queue, step) for queue in queues for step in STEPS if step <= upto]
    return bool(redis.exists(*lists))


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
    return [_list_of(queue, step) for step in STEPS]


def _list_of(queue: str, step: int) -> str:
    return f"{queue}{Channel.sep}{step}" if step else queue


def _messages(redis: Redis, name: str) -> list[str]:
    return cast(list[str], redis.lrange(name, 0, -1))


def _job_ids(messages: Iterator[str]) -> Iterator[str]:
    """Read job ids from messages: a body is base64 of Celery's ``[args, kwargs, embed]``, the id its only argument."""
    for message in messages:
        (job_id,), *_ = json.loads(base64.b64decode(json.loads(message)["body"]))
        yield job_id
