"""Processes that outlive the one that started them: found again by a file, stopped for sure."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil


@dataclass(frozen=True)
class Program:
    """How to start one process, and how to tell that it can serve."""

    name: str
    command: Sequence[str]
    url: str
    check: Callable[[], str | None]
    """None once it is ready, else what it still waits for."""
    environment: Mapping[str, str] = field(default_factory=dict)
    listens: tuple[str, int] | None = None
    port_setting: str = ""
    """The setting that moves it to another port."""


def answers(url: str) -> Callable[[], str | None]:
    """Build a :attr:`Program.check`: ready once this address answers without an error."""

    def check() -> str | None:
        try:
            answer = httpx.get(url, timeout=5, trust_env=False)
        except httpx.TransportError:
            return "starting"
        if answer.is_success:
            return None
        try:
            return str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            return f"answers {answer.status_code}"

    return check


class PortTakenError(Exception):
    """Another process listens where one of ours should; the text says what to change."""


class ProcessFolder:
    """The processes that were started, by name.

    ``run/NAME.json`` says which process is NAME's, ``logs/NAME.log`` holds what it printed, and ``NAME.log.1`` what the
    one before it did.
    """

    def __init__(self, folder: Path, cwd: Path, environment: Mapping[str, str]) -> None:
        self._run, self._logs = folder / "run", folder / "logs"
        self._cwd, self._environment = cwd, environment

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def tail(self, name: str, lines: int = 20) -> str:
        """Return the last lines of a log."""
        try:
            return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def names(self) -> list[str]:
        """List the processes that were started and not stopped, living or dead."""
        return sorted(file.stem for file in self._run.glob("*.json"))

    def url(self, name: str) -> str | None:
        """Return the address where a living process answers."""
        return str(self._record(name)["url"]) if self.find(name) else None

    def find(self, name: str) -> psutil.Process | None:
        """Return the living process, or None.

        A process that merely got the same number later is not taken for it.
        """
        record = self._record(name)
        try:
            process = psutil.Process(record["pid"])
            # Compared roughly: the start is derived from the boot time, which the clock's adjustments move.
            same = abs(process.create_time() - record["created"]) < 2
            return process if same and _lives(process) else None
        except (KeyError, psutil.NoSuchProcess):
            return None

    def start(self, program: Program) -> None:
        """Start a program; raises OSError when it is not there."""
        self._run.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        log_file = self.log(program.name)
        if log_file.exists():
            log_file.replace(log_file.with_suffix(".log.1"))
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                program.command,
                cwd=self._cwd,
                env={**self._environment, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C is for whoever started it, who then stops it in order
            )
        record = {"pid": process.pid, "created": psutil.Process(process.pid).create_time(), "url": program.url}
        written = self._run / f".{program.name}"
        written.write_text(json.dumps(record))
        written.replace(self._file(program.name))

    def stop(self, name: str, grace: float) -> bool:
        """Stop a process by SIGTERM, then kill it and all that it started; return True when it had to be killed."""
        process = self.find(name)
        killed = False
        if process:
            family = [process, *process.children(recursive=True)]
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
            # Its children have a moment longer than itself: they learn of it from its end.
            killed = bool(_await_end([process], grace) or _await_end(family, 2))
            if killed:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                _await_end(family, 5)
        self._file(name).unlink(missing_ok=True)
        return killed

    def _file(self, name: str) -> Path:
        return self._run / f"{name}.json"

    def _record(self, name: str) -> dict[str, Any]:
        try:
            record = json.loads(self._file(name).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return record if isinstance(record, dict) else {}


def _lives(process: psutil.Process) -> bool:
    """Tell whether a process lives.

    False also for one that has ended and only waits to be collected by whoever started it.
    """
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _await_end(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Return the processes that still live after so many seconds."""
    deadline = time.monotonic() + seconds
    while (alive := [process for process in processes if _lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def free_port() -> int:
    """Find a port that nothing listens on now, on the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_port(program: Program) -> None:
    """Raise PortTakenError unless the program can listen where it should."""
    if program.listens is None:
        return
    host, port = program.listens
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTakenError(
                f"{program.name} cannot listen on {host}:{port} ({error.strerror}){_holder(port)}. "
                f"Stop what is there, or set {program.port_setting} in the environment or in .env to another port."
            ) from error


def _holder(port: int) -> str:
    """Describe who listens on a port, where the system tells."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            listening = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listening and connection.pid:
                return f": process {connection.pid} ({psutil.Process(connection.pid).name()}) does"
    return ""
