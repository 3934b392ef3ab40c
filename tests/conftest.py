"""Fixtures that more than one test wants."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from redis import Redis
from xdist.scheduler import LoadScopeScheduling

from tests.support.processes import running_redis

# Before torch is imported, here and in the processes that tests start: OpenMP's threads sleep while they wait. On two
# busy cores, threads that spin take the cores from those they wait for, and a tiny model takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# One each, for the same reason: tests share the cores with one another and with the processes they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What Starlette's TestClient calls the application that it is given.
os.environ.setdefault("ALLOWED_HOSTS", "testserver")
# No test asserts seconds: how long an example takes is up to what else the machine does.
hypothesis.settings.register_profile("framesense", deadline=None)
hypothesis.settings.load_profile("framesense")


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


_ORDER = ("e2e", "integration", "contract", "unit")
"""Folders whose tests take longest come first: short ones fill up what is left at the end of a run in parallel."""
_SHARED = ("e2e", "integration/editor/families", "contract/captioner", "contract/gateway/a1111")
"""Folders whose files share what was started for the first of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests by :data:`_ORDER`."""
    items.sort(key=lambda item: _ORDER.index(folder) if (folder := _folder(item).split("/")[0]) in _ORDER else -1)


def _folder(item: pytest.Item) -> str:
    return item.path.parent.relative_to(Path(__file__).parent).as_posix()


class _StackScheduling(LoadScopeScheduling):
    """Keep in one process what shares a stack: a folder of :data:`_SHARED`, else a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return next((folder for folder in _SHARED if file.startswith(f"tests/{folder}/")), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _StackScheduling(config, log)
