"""``python -m worker``: a worker for the queues of WORKER_QUEUES, all of them by default."""

from worker.celery_app import app
from worker.settings import WorkerSettings


def main() -> None:
    settings = WorkerSettings()
    queues = ",".join(settings.worker_queues)
    # Workers meet in Redis by leases and need not know one another: no mingling at the start, no gossip after it.
    alone = ["--without-mingle", "--without-gossip"]
    name = f"{queues.replace(',', '-')}@%h"  # several kinds of workers may share a host
    app.worker_main(["worker", "-Q", queues, "-n", name, "--loglevel", settings.log_level, *alone])


if __name__ == "__main__":
    main()
