"""The services as processes of this machine: ``python -m tools.stack up|run|down|status``.

``up`` starts what does not run yet and returns when every part is ready; ``run`` stays, and stops it at its own end.
Nothing here is needed in containers, where docker-compose.yml says the same.
"""

import argparse
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import httpx
from celery import Celery
from kombu.exceptions import OperationalError
from pydantic import ValidationError
from redis import RedisError
from rich.console import Console
from rich.markup import escape

from framesense.settings import read_secret, with_password
from tools.own_redis import ACL_OPTION, redis_program, stack_secrets
from tools.processes import PortTakenError, ProcessFolder, Program, StackError, answers, free_port, require_port
from tools.settings import StackSettings, environment
from tools.supervision import RESTARTING, LogLimits, Supervised, SupervisorError

WORKERS = {"worker": ("video", "dataset"), "edit-worker": ("edit",)}
"""The queues of each worker. Edits have one of their own, so that they need not wait for long videos."""
ORDER = ("redis", "captioner", "tagger", "editor", *WORKERS, "gateway", "ui")
"""Started from left to right, stopped from right to left."""

LOOK_SECONDS = 2.0
"""Between two looks of ``run`` at whether supervisord lives."""


class Stack:
    def __init__(self, settings: StackSettings, console: Console) -> None:
        self._settings, self._console = settings, console
        self._secrets = stack_secrets(settings.data)
        # Embedded models are on the disk already: whoever tries to reach a model hub all the same shall fail at once.
        defaults = {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        self._processes = ProcessFolder(
            settings.data,
            ORDER,
            {**defaults, **environment()},
            grace=settings.stop_timeout,
            log_limits=LogLimits(settings.log_megabytes, settings.log_backups),
        )

    def up(self) -> bool:
        """Start what does not run, and wait until all of it is ready. False when there was nothing to start.

        Raises StackError; what was started before the error is stopped again.
        """
        started: list[str] = []
        try:
            redis = self._redis()
            programs = self._programs(redis.url if redis else self._settings.redis_url)
            self._processes.supervise()
            for program in self._missing([redis, *programs] if redis else programs):
                require_port(program)
            if redis:
                self._start([redis], started)
            self._start(programs, started)
        except (PortTakenError, SupervisorError, OSError, ValueError) as error:
            self._down(started)
            raise StackError(str(error)) from error
        except BaseException:
            self._down(started)
            raise
        return bool(started)

    def down(self) -> bool:
        """Stop everything that was started here. False when nothing was."""
        return self._down(self._processes.names())

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the stack inside the block; what the block found running already, it leaves running."""
        found = set(self._processes.names())
        self.up()
        try:
            yield
        finally:
            self._down([name for name in self._processes.names() if name not in found])

    def run(self) -> None:
        """Run the stack until a signal ends this process. Raises StackError where supervisord ends."""
        with self.running():
            while self._processes.supervised():
                time.sleep(LOOK_SECONDS)
            raise StackError("supervisord ended.")

    def status(self) -> Mapping[str, str]:
        """Return what each part says of itself."""
        redis = self._redis()
        programs = self._programs(redis.url if redis else self._settings.redis_url)
        supervised = self._processes.supervised()
        states = {program.name: self._state(program, supervised) for program in [redis, *programs] if program}
        if self._processes.names() and not supervised:
            states["supervisor"] = "not running: nobody starts again what dies; `make up` does"
        return states

    def _state(self, program: Program, supervised: Mapping[str, Supervised]) -> str:
        if self._processes.find(program.name):
            return program.check() or _ready_but(program)
        state = supervised.get(program.name)
        if state and (state.is_up or state.state == RESTARTING):
            return f"died, and is being started again: see {self._processes.log(program.name)}"
        return "not running"

    def _redis(self) -> Program | None:
        """Return the Redis of this stack; None where REDIS_URL names another."""
        if self._settings.redis_url:
            return None
        # The one that was started before keeps its address, dead or alive: workers and gateway look for it there.
        url = self._processes.url("redis") or f"redis://127.0.0.1:{self._settings.redis_port or free_port()}/0"
        users = self._secrets.redis_users() if self._redis_password_file() else None
        return redis_program(url, self._settings.data, password=self._redis_password(), users=users)

    def _redis_password_file(self) -> Path | None:
        """Return the file of Redis's password; None for a Redis without one, as releases before started it."""
        if self._settings.redis_url:
            named = environment().get("REDIS_PASSWORD_FILE")
            return Path(named) if named else None
        running = self._processes.command("redis")
        return None if running and ACL_OPTION not in running else self._secrets.redis_password()

    def _redis_password(self) -> str:
        file = self._redis_password_file()
        return read_secret(file) if file else ""

    def _programs(self, redis_url: str) -> list[Program]:
        settings = self._settings
        storage = {"STORAGE_URL": environment().get("STORAGE_URL", str(settings.data / "blobs"))}
        password_file = self._redis_password_file()
        token = {"SERVICE_TOKEN_FILE": str(self._secrets.service_token())}
        shared = {
            **storage,
            **token,
            **({"REDIS_PASSWORD_FILE": str(password_file)} if password_file else {}),
            "REDIS_URL": redis_url,
            "CAPTIONER_URL": settings.captioner_url,
            "TAGGER_URL": settings.tagger_url,
            "EDITOR_URL": settings.editor_url,
        }
        return [
            _model_server("captioner", settings.captioner_port, token),
            _model_server("tagger", settings.tagger_port, {**storage, **token}),
            _model_server("editor", settings.editor_port, token),
            *(self._worker(name, queues, redis_url, shared) for name, queues in WORKERS.items()),
            Program(
                "gateway",
                [sys.executable, "-m", "gateway"],
                settings.gateway_url,
                answers(f"{settings.gateway_url}/ready"),
                {
                    **shared,
                    "GATEWAY_HOST": settings.bind_address,
                    "GATEWAY_PORT": str(settings.gateway_port),
                    "UPLOAD_FOLDER": str(settings.data / "incoming"),
                    "KEYS_FILE": environment().get("KEYS_FILE", str(settings.data / "keys.json")),
                    "UI_PUBLIC_PORT": str(settings.ui_port),
                },
                (settings.bind_address, settings.gateway_port),
                "GATEWAY_PORT",
            ),
            Program(
                "ui",
                [sys.executable, "-m", "ui"],
                settings.ui_url,
                answers(f"{settings.ui_url}/_stcore/health"),
                {
                    "UI_HOST": settings.bind_address,
                    "UI_PORT": str(settings.ui_port),
                    "GATEWAY_URL": settings.gateway_url,
                    "GATEWAY_PUBLIC_PORT": str(settings.gateway_port),
                },
                (settings.bind_address, settings.ui_port),
                "UI_PORT",
            ),
        ]

    def _worker(self, name: str, queues: Sequence[str], redis_url: str, shared: Mapping[str, str]) -> Program:
        own = {
            "WORKER_QUEUES": ",".join(queues),
            "WORKER_HEARTBEAT_FILE": str(self._settings.data / "run" / f"{name}.heartbeat"),
        }
        check = _worker_answers(with_password(redis_url, self._redis_password()), queues)
        return Program(name, [sys.executable, "-m", "worker"], redis_url, check, {**shared, **own})

    def _missing(self, programs: list[Program]) -> list[Program]:
        """Return the programs that do not run.

        Raises StackError for one that runs at another address than it should now.
        """
        supervised = self._processes.supervised()
        missing = []
        for program in programs:
            if not (self._processes.find(program.name) or supervised[program.name].is_up):
                missing.append(program)
            elif (address := self._processes.url(program.name)) != program.url:
                raise StackError(f"{program.name} runs at {address}, not at {program.url}. `make down` stops it.")
        return missing

    def _start(self, programs: list[Program], started: list[str]) -> None:
        """Start the programs that do not run, and wait until all are ready."""
        for program in self._missing(programs):
            started.append(program.name)
            self._processes.start(program)
        self._wait(programs)

    def _wait(self, programs: list[Program]) -> None:
        deadline = time.monotonic() + self._settings.start_timeout
        waiting = {program.name: "starting" for program in programs}
        first = self._processes.supervised()
        with self._console.status("") as line:
            while True:
                now = self._processes.supervised()
                for program in programs:
                    if program.name not in waiting:
                        continue
                    # Started again by supervisord: what cannot start is not waited for.
                    if not now[program.name].is_up or now[program.name].start != first[program.name].start:
                        raise self._failed(program.name, "stopped by itself")
                    reason = program.check()
                    if reason is None:
                        del waiting[program.name]
                        self._console.print(f"[green]✓[/] {program.name} is ready at {program.url}")
                    else:
                        waiting[program.name] = reason
                if not waiting:
                    return
                if time.monotonic() > deadline:
                    name, reason = next(iter(waiting.items()))
                    seconds = f"{self._settings.start_timeout:.0f} s"
                    raise self._failed(name, f"was not ready within {seconds} (START_TIMEOUT): {reason}")
                what = "; ".join(f"{name} ({reason})" for name, reason in waiting.items())
                line.update(escape(f"waiting for {what}"))
                time.sleep(0.3)

    def _failed(self, name: str, what: str) -> StackError:
        log = self._processes.log(name)
        return StackError(f"{name} {what}. The end of {log}:\n{self._processes.tail(name)}")

    def _down(self, names: list[str]) -> bool:
        for name in sorted(names, key=ORDER.index, reverse=True):
            killed = self._processes.stop(name)
            note = f" [yellow](killed after {self._settings.stop_timeout:.0f} s)[/]" if killed else ""
            self._console.print(f"[dim]■[/] {name} stopped{note}")
        self._processes.release()
        return bool(names)


def first_key_hint(settings: StackSettings) -> str | None:
    """Return what the gateway says where it requires keys, and none has been made; else None."""
    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = httpx.get(f"{settings.gateway_url}/jobs", params={"limit": 1}, timeout=10, trust_env=False)
        if answer.status_code == 401 and "keys add" in (detail := str(answer.json()["detail"])):
            return detail
    return None


def _ready_but(program: Program) -> str:
    """Return "ready", with what the gateway says does not work besides."""
    warnings = {}
    if program.name == "gateway":
        with contextlib.suppress(httpx.HTTPError, ValueError):
            warnings = httpx.get(f"{program.url}/ready", timeout=10, trust_env=False).json().get("warnings", {})
    return "; ".join(["ready", *(f"but {name}: {reason}" for name, reason in warnings.items())])


def _model_server(name: str, port: int, environment: Mapping[str, str]) -> Program:
    """Describe a model server. Only the gateway and the worker call it, so it listens on the loopback address."""
    url, prefix = f"http://127.0.0.1:{port}", name.upper()
    listening = {f"{prefix}_HOST": "127.0.0.1", f"{prefix}_PORT": str(port)}
    command = [sys.executable, "-m", name]
    return Program(
        name,
        command,
        url,
        answers(f"{url}/ready"),
        {**environment, **listening},
        ("127.0.0.1", port),
        f"{prefix}_PORT",
    )


def _worker_answers(redis_url: str, queues: Sequence[str]) -> Callable[[], str | None]:
    """Build the check of a worker; workers are named after their queues."""
    node = f"{'-'.join(queues)}@{socket.gethostname()}"

    def check() -> str | None:
        with Celery(broker=redis_url) as celery:
            try:
                return None if celery.control.ping(destination=[node], timeout=1, limit=1) else "starting"
            except (OperationalError, RedisError) as error:
                return f"cannot be asked: {error}"

    return check


def stop_on_signals() -> None:
    """Let SIGTERM and SIGHUP end a foreground run the way Ctrl-C does, so that it leaves nothing behind.

    Ctrl-C itself is asked for too: a shell that starts a program in the background makes it deaf to SIGINT.
    """

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def load_settings(console: Console) -> StackSettings:
    """Read the settings; end the program, saying which setting is wrong, when one is."""
    try:
        return StackSettings.load()
    except ValidationError as error:
        for fault in error.errors():
            console.print(f"[red]{str(fault['loc'][0]).upper()}[/]: {fault['msg']} (it is {fault['input']!r})")
        raise SystemExit(2) from error


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    parser.add_argument("action", choices=["up", "run", "down", "status"])
    action = parser.parse_args().action
    console = Console(highlight=False, soft_wrap=True)
    settings = load_settings(console)
    stack = Stack(settings, console)
    stop_on_signals()
    try:
        if action == "down":
            if not stack.down():
                console.print("Nothing was running.")
        elif action == "run":
            stack.run()
        elif action == "status":
            for name, state in stack.status().items():
                console.print(f"{name:12} {state}")
        elif stack.up():
            console.print(f"\nOpen [bold]{settings.ui_url}[/]   API: {settings.gateway_url}/docs")
            console.print("`make down` stops it.")
            if hint := first_key_hint(settings):
                console.print(f"[yellow]![/] {escape(hint)}")
        else:
            console.print(f"Everything was running already. Open [bold]{settings.ui_url}[/]")
    except StackError as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
