"""Fixtures that more than one test wants."""

import os
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.support.processes import running_redis

# Before torch is imported, here and in the processes that tests start: OpenMP's threads sleep while they wait. On two
# busy cores, threads that spin take the cores from those they wait for, and a tiny model takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis of this test run's own; its URL."""
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def redis_url(redis_process: str) -> str:
    """The same Redis, emptied."""
    with Redis.from_url(redis_process) as client:
        client.flushall()
    return redis_process


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright's event loop runs until the session ends, and asyncio takes only one a thread."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
