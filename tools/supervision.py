"""supervisord, which starts the processes of the stack again when they die: its configuration, and how it is asked.

A process that ends within :data:`STEADY_SECONDS` of its start is started again after a pause that grows by a second
each time, without end: what it lacks, such as room on the disk, may come back. One that ran for longer is started at
once.
"""

import http.client
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tools.settings import ROOT

STEADY_SECONDS = 30
"""After which a process counts as running, and the pause before its next start begins anew at one second."""
START_SECONDS, CALL_SECONDS = 30.0, 20.0
"""How long supervisord may take to start, and to answer."""
LONGEST_SOCKET_PATH = 100
"""Bytes; the system's limit is little more."""
UP = ("STARTING", "RUNNING")
RESTARTING = "BACKOFF"
KILL_MARGIN = 5
"""Seconds that whoever stops a process has to kill it, and to say so, before supervisord does."""


class SupervisorError(Exception):
    """Raised where supervisord does not do what it should; the text says what it said."""


@dataclass(frozen=True)
class LogLimits:
    """A log is renamed at ``megabytes``, and ``backups`` renamed ones are kept."""

    megabytes: int = 20
    backups: int = 4


@dataclass(frozen=True)
class Supervised:
    """A process as supervisord knows it: its state, and when it was started last, in POSIX seconds."""

    state: str
    start: int

    @property
    def is_up(self) -> bool:
        return self.state in UP


class Supervisor:
    """Keeps the processes of one folder running.

    Args:
        run: the folder of its own files.
        logs: the folder of all logs.
        commands: what starts each process, by name.
        grace: seconds that a process may take to stop; a little later it is killed.
        log_limits: when logs are rotated.
    """

    def __init__(
        self,
        run: Path,
        logs: Path,
        commands: Mapping[str, Sequence[str]],
        *,
        grace: float,
        log_limits: LogLimits,
    ) -> None:
        self._run, self._logs, self._commands = run, logs, commands
        self._grace, self._log_limits = grace, log_limits
        self._socket = _socket_path(run)

    @property
    def log(self) -> Path:
        return self._logs / "supervisor.log"

    def is_running(self) -> bool:
        try:
            self._call("getState")
        except SupervisorError:
            return False
        return True

    def start(self) -> None:
        """Start supervisord, if it does not run. Raises SupervisorError."""
        if self.is_running():
            return
        self._run.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self._run, self._logs, self._socket.parent):
            folder.mkdir(parents=True, exist_ok=True)
        configuration = self._run / "supervisor.conf"
        configuration.write_text(self._configuration())
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=0o077,  # what people sent, and what came of it, is for the account that runs this
                start_new_session=True,  # the terminal's Ctrl-C is for whoever started it, who then stops it in order
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.is_running():
            if process.poll() is not None or time.monotonic() > deadline:
                end = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
                raise SupervisorError(f"supervisord does not start. The end of {self.log}:\n{end}")
            time.sleep(0.05)

    def processes(self) -> dict[str, Supervised]:
        """Return what supervisord knows of each process by name; nothing where it does not run."""
        try:
            found = self._call("getAllProcessInfo")
        except SupervisorError:
            return {}
        return {process["name"]: Supervised(process["statename"], process["start"]) for process in found}

    def launch(self, name: str) -> None:
        """Start a process anew, whatever it does now. Raises SupervisorError."""
        self.stop(name)
        deadline = time.monotonic() + self._grace + CALL_SECONDS
        while self.processes()[name].state == "STOPPING" and time.monotonic() < deadline:
            time.sleep(0.05)
        self._call("startProcess", name, False)

    def stop(self, name: str) -> bool:
        """Have a process end by SIGTERM, and stay ended. Returns at once; False where there is nothing to end here."""
        process = self.processes().get(name)
        if process is None or not (process.is_up or process.state == RESTARTING):
            return False
        self._call("stopProcess", name, False)
        return True

    def shut_down(self) -> None:
        """End supervisord, and whatever it still runs."""
        try:
            self._call("shutdown")
        except SupervisorError:
            return
        deadline = time.monotonic() + self._grace + CALL_SECONDS
        while self._socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _call(self, method: str, *arguments: Any) -> Any:
        proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_UnixTransport(self._socket))
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise SupervisorError(f"supervisord: {fault.faultString}") from fault
        except (OSError, http.client.HTTPException) as error:
            raise SupervisorError(f"supervisord does not answer: {error}") from error

    def _configuration(self) -> str:
        limits = f"_maxbytes={self._log_limits.megabytes}MB"
        backups = f"_backups={self._log_limits.backups}"
        lines = [
            "[supervisord]",
            "nodaemon=true",
            "silent=true",
            f"logfile={_escaped(self.log)}",
            f"logfile{limits}",
            f"logfile{backups}",
            f"pidfile={_escaped(self._run / 'supervisor.pid')}",
            "[unix_http_server]",
            f"file={_escaped(self._socket)}",
            "chmod=0600",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for name, command in self._commands.items():
            lines += [
                f"[program:{name}]",
                f"command={_escaped(shlex.join(command))}",
                "autostart=false",
                "autorestart=true",
                f"startsecs={STEADY_SECONDS}",
                "startretries=1000000",
                f"stopwaitsecs={round(self._grace) + KILL_MARGIN}",
                "killasgroup=true",
                "redirect_stderr=true",
                f"stdout_logfile={_escaped(self._logs / f'{name}.log')}",
                f"stdout_logfile{limits}",
                f"stdout_logfile{backups}",
            ]
        return "\n".join(lines) + "\n"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CALL_SECONDS)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> _UnixConnection:
        return _UnixConnection(self._path)


def _socket_path(run: Path) -> Path:
    """Return where supervisord listens: beside its other files, unless that path is longer than a socket's may be."""
    path = run / "supervisor.sock"
    if len(bytes(path)) <= LONGEST_SOCKET_PATH:
        return path
    return Path(tempfile.gettempdir()) / f"framesense-{sha256(bytes(path)).hexdigest()[:16]}.sock"


def _escaped(text: object) -> str:
    """Escape what supervisord would take for a variable."""
    return str(text).replace("%", "%%")
