"""Jobs of every kind find a worker: one whose queue nobody listens to would wait for ever."""

import re

from framesense.jobs.queue import QUEUES
from tools.settings import ROOT
from tools.stack import WORKERS


def test_every_queue_has_a_worker() -> None:
    assert {queue for queues in WORKERS.values() for queue in queues} == set(QUEUES.values())


def test_every_queue_has_a_worker_in_containers() -> None:
    listened = re.findall(r"WORKER_QUEUES: \"?([\w,]+)", (ROOT / "docker-compose.yml").read_text())
    assert {queue for queues in listened for queue in queues.split(",")} == set(QUEUES.values())
