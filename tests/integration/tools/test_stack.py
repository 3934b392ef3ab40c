"""The stack as processes: up, again, after a death, down; the demonstration on it; and no way out of the machine."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import httpx
import psutil
import pytest
from redis import Redis, RedisError

from tests.support.own_stack import OwnStack
from tests.support.processes import network_attempts, network_guard
from tests.support.waiting import wait_until
from tools.settings import ROOT

PARTS = {"redis", "captioner", "tagger", "editor", "worker", "edit-worker", "gateway", "ui"}


@pytest.fixture(scope="module")
def guard_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guard") / "log"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, guard_log: Path) -> Iterator[OwnStack]:
    own = OwnStack.at(tmp_path_factory.mktemp("stack"), **network_guard(guard_log), START_TIMEOUT="250")
    up = own.run("tools.stack", "up")
    try:
        assert up.returncode == 0, up.stdout
        yield own
    finally:
        own.run("tools.stack", "down")


def test_up_returns_when_all_is_ready(stack: OwnStack) -> None:
    assert httpx.get(f"{stack.gateway}/ready").json()["status"] == "ready"
    assert httpx.get(f"{stack.ui}/_stcore/health").text == "ok"
    assert set(stack.pids()) == PARTS


def test_up_again_changes_nothing_and_says_so(stack: OwnStack) -> None:
    before = stack.pids()
    again = stack.run("tools.stack", "up")
    assert again.returncode == 0
    assert "running already" in again.stdout
    assert stack.pids() == before


def test_another_port_while_it_runs_is_refused(stack: OwnStack) -> None:
    other = stack.run("tools.stack", "up", GATEWAY_PORT="1")
    assert other.returncode == 1
    assert stack.gateway in other.stdout
    assert httpx.get(f"{stack.gateway}/health").is_success


def test_what_dies_is_started_again(stack: OwnStack) -> None:
    before = stack.pids()
    os.killpg(before["worker"], signal.SIGKILL)
    wait_until(lambda: stack.pids()["worker"] != before["worker"])
    again = stack.run("tools.stack", "up")
    assert again.returncode == 0, again.stdout
    after = stack.pids()
    assert psutil.pid_exists(after["worker"])
    assert {name for name in PARTS if after[name] != before[name]} == {"worker"}


def test_redis_comes_back_at_its_port_with_its_data(stack: OwnStack) -> None:
    before = stack.pids()
    address = stack.redis_url()
    with Redis.from_url(address, decode_responses=True) as redis:
        redis.set("kept", "yes")
        os.kill(before["redis"], signal.SIGKILL)
        wait_until(lambda: _answers(redis))
        assert redis.get("kept") == "yes"
        redis.delete("kept")
    assert stack.redis_url() == address
    again = stack.run("tools.stack", "up")
    assert again.returncode == 0, again.stdout
    after = stack.pids()
    assert {name for name in PARTS if after[name] != before[name]} == {"redis"}
    assert set(_states(stack)) == PARTS and set(_states(stack).values()) == {"ready"}


def test_demo_finds_what_does_not_belong(stack: OwnStack, tmp_path: Path) -> None:
    demo = stack.run("tools.demo", "--once", "--out", str(tmp_path))
    assert demo.returncode == 0, demo.stdout
    assert "█" in demo.stdout and f"{stack.ui}/?job=" in demo.stdout
    assert demo.stdout.count("✓ found") == 9 and "✗" not in demo.stdout
    result = json.loads((tmp_path / "street-result.json").read_text())
    assert len(result["frames"]) == 240
    peaks = [moment["peak"] for moment in result["moments"]]
    assert any(18 <= peak <= 22 for peak in peaks) and any(38 <= peak <= 42 for peak in peaks), peaks
    assert (tmp_path / "street-novelty.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "street-novelty.html").read_text()
    assert "street.mp4" in page and '<script src="http' not in page
    with av.open(str(tmp_path / "doorstep-highlights.mp4")) as reel:
        assert 5 < float(reel.duration or 0) / av.time_base < 20
    assert set(stack.pids()) == PARTS, "a demonstration on a running stack leaves it running"


def test_no_service_left_the_machine(stack: OwnStack, guard_log: Path) -> None:
    """After all of the above, a whole job among it."""
    lines = guard_log.read_text().splitlines()
    for module in ("captioner", "tagger", "editor", "worker", "gateway", "ui"):
        assert any(line.startswith("guarded") and line.endswith(f"-m {module}") for line in lines), module
    assert network_attempts(guard_log) == []


def test_up_takes_over_from_a_supervisor_that_died(stack: OwnStack) -> None:
    """Nobody has started Redis again: `up` does, where its data is and where workers look for it."""
    before, address = stack.pids(), stack.redis_url()
    with Redis.from_url(address, decode_responses=True) as redis:
        redis.set("kept", "yes")
        os.kill(int((stack.data / "run" / "supervisor.pid").read_text()), signal.SIGKILL)
        os.kill(before["redis"], signal.SIGKILL)
        states = _states(stack)
        assert states["redis"] == "not running" and states["ui"] == "ready"
        assert "make up" in states["supervisor"]
        again = stack.run("tools.stack", "up")
        assert again.returncode == 0, again.stdout
        assert stack.redis_url() == address and redis.get("kept") == "yes"
    assert not set(before.values()) & set(stack.pids().values())
    assert set(_states(stack).values()) == {"ready"}


def test_down_leaves_nothing(stack: OwnStack) -> None:
    families = [process for pid in stack.pids().values() for process in _family(pid)]
    assert len(families) > len(PARTS), "the worker has children"
    families.append(psutil.Process(int((stack.data / "run" / "supervisor.pid").read_text())))
    down = stack.run("tools.stack", "down")
    assert down.returncode == 0 and "killed" not in down.stdout, down.stdout
    assert not _still_alive(families)
    assert stack.pids() == {}
    assert "Nothing was running" in stack.run("tools.stack", "down").stdout


def test_the_guard_stops_what_leaves(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for attempt in ("create_connection(('192.0.2.1', 80), 1)", "getaddrinfo('example.org', 80)"):
        ran = subprocess.run(
            [sys.executable, "-c", f"import socket; socket.{attempt}"],
            env={**os.environ, **network_guard(log)},
            capture_output=True,
        )
        assert b"PermissionError" in ran.stderr
    assert "socket.connect 192.0.2.1" in log.read_text() or "socket.getaddrinfo 192.0.2.1" in log.read_text()
    assert "socket.getaddrinfo example.org" in log.read_text()


def test_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    own = OwnStack.at(tmp_path)
    with socket.create_server(("127.0.0.1", int(own.environment["UI_PORT"]))):
        up = own.run("tools.stack", "up")
    assert up.returncode == 1
    assert own.environment["UI_PORT"] in up.stdout and "UI_PORT" in up.stdout
    assert own.pids() == {}


def test_part_that_dies_is_shown_with_its_log(tmp_path: Path) -> None:
    own = OwnStack.at(tmp_path, LOG_LEVEL="SHOUT")
    up = own.run("tools.stack", "up")
    assert up.returncode == 1
    assert "stopped by itself" in up.stdout and "SHOUT" in up.stdout
    assert own.pids() == {}


def test_wrong_setting_is_named(tmp_path: Path) -> None:
    up = OwnStack.at(tmp_path).run("tools.stack", "up", GATEWAY_PORT="99999")
    assert up.returncode == 2
    assert "GATEWAY_PORT" in up.stdout and "Traceback" not in up.stdout


def test_stale_record_is_no_process_of_ours(tmp_path: Path) -> None:
    """The number of a process that ended long ago may belong to somebody else's by now."""
    own = OwnStack.at(tmp_path)
    (tmp_path / "run").mkdir()
    record = {"pid": os.getpid(), "created": psutil.Process().create_time() - 3600, "url": own.gateway}
    (tmp_path / "run" / "gateway.json").write_text(json.dumps(record))
    assert _states(own)["gateway"] == "not running"
    assert own.run("tools.stack", "down").returncode == 0
    assert psutil.pid_exists(os.getpid())


@pytest.mark.parametrize(
    ("command", "number"),
    [(["tools.demo"], signal.SIGINT), (["tools.demo"], signal.SIGTERM), (["tools.stack", "run"], signal.SIGTERM)],
)
def test_what_is_interrupted_leaves_nothing(tmp_path: Path, command: list[str], number: signal.Signals) -> None:
    own = OwnStack.at(tmp_path)
    with subprocess.Popen(own.command(*command), cwd=ROOT, env=own.environment, stdout=subprocess.PIPE) as demo:
        wait_until(lambda: demo.poll() is not None or own.pids().keys() >= {"captioner", "worker"})
        started = [process for pid in own.pids().values() for process in _family(pid)]
        assert started
        demo.send_signal(number)
        demo.communicate(timeout=60)
    assert not _still_alive(started)
    assert own.pids() == {}


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def _states(stack: OwnStack) -> dict[str, str]:
    """What `make status` says of each part."""
    said = stack.run("tools.stack", "status")
    assert said.returncode == 0, said.stdout
    return dict(line.split(maxsplit=1) for line in said.stdout.splitlines())


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _still_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended; one that has may wait a moment for init to collect it."""
    return psutil.wait_procs(processes, timeout=5)[1]
