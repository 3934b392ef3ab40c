"""Processes that outlive the one that started them: found again by a file, stopped for sure."""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tools.supervision import LogLimits, Supervised, Supervisor


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


class StackError(Exception):
    """The stack cannot run; the text says why and what to do."""


class PortTakenError(Exception):
    """Another process listens where one of ours should; the text says what to change."""


class ProcessFolder:
    """The processes of one folder, by name, kept running by supervisord.

    ``run/programs/NAME.json`` describes what was started and not stopped, ``run/NAME.json`` says which process it is,
    and ``logs/NAME.log`` holds what it printed, the beginning of it in ``NAME.log.1`` and so on.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        environment: Mapping[str, str],
        *,
        grace: float = 15.0,
        log_limits: LogLimits = LogLimits(),
    ) -> None:
        self._run, self._logs = folder / "run", folder / "logs"
        self._environment, self._grace = environment, grace
        commands = {name: self._launcher(name) for name in names}
        self._supervisor = Supervisor(self._run, self._logs, commands, grace=grace, log_limits=log_limits)

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
        return sorted(file.stem for file in self._programs.glob("*.json"))

    def url(self, name: str) -> str | None:
        """Return the address of a process that was started and not stopped, living or dead."""
        return _read(self._program(name)).get("url")

    def command(self, name: str) -> list[str]:
        """Return how a process is run that was started and not stopped; nothing for any other."""
        return list(_read(self._program(name)).get("command", []))

    def find(self, name: str) -> psutil.Process | None:
        """Return the living process, or None.

        A process that merely got the same number later is not taken for it.
        """
        record = _read(self._record(name))
        try:
            process = psutil.Process(record["pid"])
            # Compared roughly: the start is derived from the boot time, which the clock's adjustments move.
            same = abs(process.create_time() - record["created"]) < 2
            return process if same and _lives(process) else None
        except (KeyError, psutil.NoSuchProcess):
            return None

    def supervised(self) -> dict[str, Supervised]:
        """Return what supervisord says of each process; nothing where it does not run."""
        return self._supervisor.processes()

    def supervise(self) -> None:
        """Start supervisord, if it does not run.

        Processes whose supervisord died are stopped: nobody would start them again. Raises SupervisorError.
        """
        if self._supervisor.is_running():
            return
        for name in self.names():
            self._end(name)
        self._supervisor.start()

    def start(self, program: Program) -> None:
        """Start a program anew; raises SupervisorError."""
        self._programs.mkdir(parents=True, exist_ok=True)
        described = {
            "url": program.url,
            "command": list(program.command),
            "environment": {**self._environment, **program.environment},
        }
        written = self._programs / f".{program.name}"
        written.touch(mode=0o600)  # an environment may hold passwords
        written.write_text(json.dumps(described))
        written.replace(self._program(program.name))
        self._supervisor.launch(program.name)

    def stop(self, name: str) -> bool:
        """Stop a process by SIGTERM, then kill it and all that it started; return True when it had to be killed."""
        killed = self._end(name)
        for file in (self._record(name), self._program(name)):
            file.unlink(missing_ok=True)
        return killed

    def release(self) -> None:
        """End supervisord where it has nothing left to keep running."""
        if not self.names():
            self._supervisor.shut_down()

    def _end(self, name: str) -> bool:
        process = self.find(name)
        family = _family(process) if process else []
        told = self._supervisor.stop(name)
        if process is None:
            return False
        if not told:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        # Its children have a moment longer than itself: they learn of it from its end.
        killed = bool(_await_end([process], self._grace) or _await_end(family, 2))
        if killed:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            _await_end(family, 5)
        return killed

    def _launcher(self, name: str) -> list[str]:
        return [sys.executable, "-m", "tools.launch", str(self._program(name)), str(self._record(name))]

    @property
    def _programs(self) -> Path:
        return self._run / "programs"

    def _program(self, name: str) -> Path:
        return self._programs / f"{name}.json"

    def _record(self, name: str) -> Path:
        return self._run / f"{name}.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all that it started; itself alone where it ends meanwhile."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return [process]


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
