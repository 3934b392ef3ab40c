"""``python -m worker``: a worker for all queues it has tasks for."""

from framesense.queue import QUEUES
from worker.celery_app import app
from worker.settings import WorkerSettings


def main() -> None:
    app.worker_main(["worker", "-Q", ",".join(QUEUES.values()), "--loglevel", WorkerSettings().log_level])


if __name__ == "__main__":
    main()
