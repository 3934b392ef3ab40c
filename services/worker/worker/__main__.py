"""``python -m worker``: a worker for all queues it has tasks for."""

from framesense.queue import QUEUES
from worker.celery_app import app
from worker.settings import WorkerSettings


def main() -> None:
    queues = ",".join(QUEUES.values())
    # Workers meet in Redis by leases and need not know one another: no mingling at the start, no gossip after it.
    alone = ["--without-mingle", "--without-gossip"]
    app.worker_main(["worker", "-Q", queues, "--loglevel", WorkerSettings().log_level, *alone])


if __name__ == "__main__":
    main()
