"""Which threads compute with many cores, as torch and the system tell."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from framesense.serving.threads import in_own_thread, keep_to_one_core


def compute() -> int:
    """Large enough for torch to share among cores; how many threads the process then has."""
    (torch.ones(4_000_000) + 1).sum()
    return threads()


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.fixture(autouse=True)
def a_team_of_two() -> Iterator[None]:
    alone = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(alone)


async def test_a_thread_of_its_own_leaves_no_team_behind() -> None:
    compute()  # this thread's own team
    before = threads()
    during = await in_own_thread(compute)
    assert during > before
    while threads() > before:  # ends, or the test's time does
        os.sched_yield()


def test_a_thread_that_keeps_to_one_core_gets_no_team() -> None:
    whole = torch.get_num_threads()
    compute()
    with ThreadPoolExecutor(1, initializer=keep_to_one_core) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
        alone = pool.submit(threads).result()
        assert pool.submit(compute).result() == alone
    assert torch.get_num_threads() == whole
