"""A worker's health check, and what it imports."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.workers import WorkerStack


@pytest.fixture
def stack(redis_url: str, tmp_path: Path) -> Iterator[WorkerStack]:
    running = WorkerStack(redis_url, tmp_path)
    yield running
    running.close()


def test_health_follows_the_heartbeat(stack: WorkerStack) -> None:
    def health() -> int:
        environment = {**os.environ, **stack.environment, "WORKER_HEARTBEAT_MAX_AGE": "6"}
        return subprocess.run([sys.executable, "-m", "worker.health"], env=environment, check=False).returncode

    assert health() == 1
    worker = stack.start_worker()
    stack.wait_until(stack.heartbeat.exists)
    assert health() == 0
    stack.kill(worker)
    stale = time.time() - 10
    os.utime(stack.heartbeat, (stale, stale))
    assert health() == 1


def test_the_worker_imports_no_torch() -> None:
    program = "import sys, worker.celery_app, worker.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
