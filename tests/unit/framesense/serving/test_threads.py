"""Which threads compute with many cores, as torch and the system tell."""

import os
import subprocess
import sys
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


def run_python(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a process whose environment says nothing of OpenMP but this."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env={**inherited, **environment}, capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    ("environment", "policy", "threads"),
    [({}, "PASSIVE", 1), ({"OMP_WAIT_POLICY": "active", "OMP_NUM_THREADS": "2"}, "ACTIVE", 2)],
)
def test_openmp_waits_asleep_and_keeps_to_its_cores(environment: dict[str, str], policy: str, threads: int) -> None:
    code = """
from framesense.serving.threads import share_cores
share_cores(1)
import torch
print(torch.get_num_threads())
"""
    told = run_python(code, OMP_DISPLAY_ENV="true", **environment)
    assert f"OMP_WAIT_POLICY = '{policy}'" in told.stderr, "as OpenMP itself tells"
    assert int(told.stdout) == threads


@pytest.mark.parametrize("service", ["captioner", "tagger", "editor"])
def test_a_model_server_can_say_so_before_torch_is_loaded(service: str) -> None:
    loaded = run_python(f"import sys, {service}.__main__; print('torch' in sys.modules)")
    assert loaded.stdout.strip() == "False"
