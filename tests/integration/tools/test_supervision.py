"""Processes under supervisord: what dies is started again, what is stopped stays so, and logs do not grow for ever."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import supervised
from tests.support.waiting import wait_until
from tools.processes import ProcessFolder, Program
from tools.supervision import LogLimits

SLEEPS = "import os, time; print('started', os.environ['MARK'], flush=True); time.sleep(600)"
DIES = "import sys; sys.exit('no room')"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
TALKS = "import time\nfor _ in range(40): print('x' * 100_000, flush=True)\ntime.sleep(600)"
ODD = """50 % of "this", 'that' and ; \\ a\ttab"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[ProcessFolder]:
    environment = {**os.environ, "MARK": ODD}
    with supervised(ProcessFolder(tmp_path, ["a", "b"], environment, grace=1, log_limits=LogLimits(1, 2))) as folder:
        yield folder


def _program(code: str, name: str = "a") -> Program:
    return Program(name, [sys.executable, "-c", code], "url:1", lambda: None)


def _pid(processes: ProcessFolder, name: str = "a") -> int:
    wait_until(lambda: processes.find(name))
    process = processes.find(name)
    assert process
    return process.pid


def test_a_process_that_is_killed_is_started_again_with_its_environment(processes: ProcessFolder) -> None:
    processes.start(_program(SLEEPS))
    first = _pid(processes)
    wait_until(lambda: ODD in processes.tail("a"))
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: processes.tail("a").count(ODD) == 2)
    assert _pid(processes) != first
    assert processes.names() == ["a"] and processes.url("a") == "url:1"


def test_one_that_dies_at_once_is_tried_again_and_again_with_pauses(processes: ProcessFolder) -> None:
    processes.start(_program(DIES))
    wait_until(lambda: processes.tail("a").count("no room") >= 3)
    assert processes.supervised()["a"].state in ("BACKOFF", "STARTING")
    log = (processes.log("a").parent / "supervisor.log").read_text()
    assert "FATAL" not in log


def test_what_is_stopped_stays_so(processes: ProcessFolder, tmp_path: Path) -> None:
    for name in ("a", "b"):
        processes.start(_program(SLEEPS, name))
    pids = [_pid(processes, name) for name in ("a", "b")]
    wait_until(lambda: ODD in processes.tail("a") and ODD in processes.tail("b"))
    assert not processes.stop("a")
    assert processes.supervised()["a"].state == "STOPPED" and processes.names() == ["b"]
    assert not psutil.pid_exists(pids[0]) and psutil.pid_exists(pids[1])
    processes.release()
    assert processes.supervised(), "b is still to be kept running"
    processes.stop("b")
    processes.release()
    wait_until(lambda: not processes.supervised())
    assert not list((tmp_path / "run").glob("*.json"))


def test_one_that_does_not_hear_is_killed_and_said_to_be(processes: ProcessFolder) -> None:
    processes.start(_program(DEAF))
    pid = _pid(processes)
    wait_until(lambda: "deaf" in processes.tail("a"))
    assert processes.stop("a")
    assert not psutil.pid_exists(pid)


def test_logs_are_rotated(processes: ProcessFolder) -> None:
    processes.start(_program(TALKS))
    folder = processes.log("a").parent
    wait_until(lambda: (folder / "a.log.2").exists())
    assert not (folder / "a.log.3").exists()
    assert sum(file.stat().st_size for file in folder.glob("a.log*")) < 3.5e6


def test_where_the_supervisor_died_its_processes_are_stopped_to_be_started_under_another(
    processes: ProcessFolder, tmp_path: Path
) -> None:
    processes.start(_program(SLEEPS))
    pid = _pid(processes)
    wait_until(lambda: ODD in processes.tail("a"))
    os.kill(int((tmp_path / "run" / "supervisor.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: not processes.supervised())
    found = processes.find("a")
    assert found and found.pid == pid
    processes.supervise()
    assert processes.find("a") is None and processes.url("a") == "url:1"


def test_a_folder_with_a_long_name_works_too(tmp_path: Path) -> None:
    folder = ProcessFolder(tmp_path / ("deep" * 30), ["a"], {**os.environ, "MARK": "long"})
    folder.supervise()
    folder.start(_program(SLEEPS))
    wait_until(lambda: "long" in folder.tail("a"))
    folder.stop("a")
    folder.release()
    wait_until(lambda: not folder.supervised())


def test_what_is_written_is_for_the_account_alone(processes: ProcessFolder, tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    code = f"import pathlib, time; p = pathlib.Path({str(folder)!r}); p.mkdir(); (p / 'photo').touch(); time.sleep(600)"
    processes.start(_program(code))
    wait_until(lambda: (folder / "photo").exists())
    assert (folder.stat().st_mode & 0o777, (folder / "photo").stat().st_mode & 0o777) == (0o700, 0o600)
