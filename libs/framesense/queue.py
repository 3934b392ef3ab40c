"""The task queue: one Celery configuration for those who send tasks and those who carry them out.

Redis hands a task that nobody acknowledged within ``job_visibility_timeout`` to another worker, even while the first
still works on it. A task therefore only starts a job whose lease it gets (:mod:`framesense.jobs`), and a job whose
worker died is found by its lapsed lease, not by that timeout.
"""

from celery import Celery

from framesense.schemas.jobs import JobKind
from framesense.settings import JobSettings

TASKS = {JobKind.VIDEO: "framesense.video.analyse", JobKind.DATASET: "framesense.dataset.tag"}
"""The task that carries out each kind of job; its one argument is the job's id."""
QUEUES = {JobKind.VIDEO: "video", JobKind.DATASET: "dataset"}


def create_celery(settings: JobSettings) -> Celery:
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
    """Raises kombu.exceptions.OperationalError when Redis cannot be reached."""
    app.send_task(TASKS[kind], args=[job_id], queue=QUEUES[kind], retry=False)
