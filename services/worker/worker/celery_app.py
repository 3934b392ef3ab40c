"""The worker's Celery application: ``celery -A worker.celery_app worker -Q edit`` or ``python -m worker``.

Which part lives where: the main process looks for abandoned jobs, keeps the heartbeat file fresh and, when told to
shut down, raises the flag; the pool processes it forked carry out the jobs and see the flag.
"""

import logging
import os
import socket
import threading
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.signals import heartbeat_sent, setup_logging, worker_ready, worker_shutting_down
from redis import Redis, RedisError

from framesense.jobs.listeners import Listeners
from framesense.jobs.queue import create_celery
from framesense.jobs.store import JobStore
from framesense.logs import configure_logging
from worker.edits import task as edits
from worker.jobs.lease_heartbeat import ShutdownFlag
from worker.jobs.recovery import Recovery
from worker.photo_sets import task as photo_sets
from worker.settings import WorkerSettings
from worker.videos import task as videos

log = logging.getLogger(__name__)


def create_app(settings: WorkerSettings) -> Celery:
    """Build the Celery application with its tasks.

    The signal handlers act in the process that runs a worker of it.
    """
    celery = create_celery(settings)
    celery.conf.update(worker_concurrency=settings.worker_concurrency)
    shutdown, sweeping_ends = ShutdownFlag(), threading.Event()
    # Asked from the worker's event loop, which must not wait for long.
    heartbeats = Redis.from_url(settings.redis_url, decode_responses=True, socket_timeout=1, socket_connect_timeout=1)
    listeners, worker = Listeners(heartbeats, within=settings.job_lease), f"{socket.gethostname()}-{os.getpid()}"
    for kind in (videos, photo_sets, edits):
        kind.register(celery, settings, shutdown)

    def ready(**_: Any) -> None:
        redis = Redis.from_url(settings.redis_url, decode_responses=True)
        jobs = JobStore(redis, lease_seconds=settings.job_lease, retention_seconds=settings.job_retention)
        recovery = Recovery(redis, jobs, celery)
        sweeper = {"interval": settings.job_lease / 3, "stop": sweeping_ends}
        threading.Thread(target=recovery.run, kwargs=sweeper, name="sweeper", daemon=True).start()

    def shutting_down(**_: Any) -> None:
        shutdown.set()
        sweeping_ends.set()
        with suppress(RedisError):  # it is forgotten soon anyway
            listeners.leave(worker, settings.worker_queues)

    def beat(**_: Any) -> None:
        try:
            settings.worker_heartbeat_file.touch()
            if not shutdown.is_set():
                listeners.beat(worker, settings.worker_queues)
        except OSError as error:
            log.warning("cannot touch %s: %s", settings.worker_heartbeat_file, error)
        except RedisError as error:
            log.warning("cannot tell Redis that this worker listens: %s", error)

    def configure(**_: Any) -> None:  # in place of Celery's own logging
        configure_logging(settings.log_level, settings.log_format)

    setup_logging.connect(configure, weak=False)
    worker_ready.connect(ready, weak=False)
    worker_shutting_down.connect(shutting_down, weak=False)
    heartbeat_sent.connect(beat, weak=False)
    return celery


app = create_app(WorkerSettings())
