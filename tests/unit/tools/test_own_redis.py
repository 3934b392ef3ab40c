"""The Redis of a stack asks for a password; one that an older release started goes on without."""

import io
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import AuthenticationError, Redis
from rich.console import Console

from framesense.settings import with_password
from tests.support.waiting import wait_until
from tools.own_redis import ACL_OPTION, own_redis_url, redis_program, stack_secrets
from tools.processes import Program, free_port
from tools.settings import StackSettings
from tools.stack import Stack


@contextmanager
def running(program: Program) -> Iterator[None]:
    process = subprocess.Popen(program.command, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: program.check() is None)
        yield
    finally:
        process.terminate()
        process.wait()


def record(data: Path, program: Program) -> None:
    folder = data / "run" / "programs"
    folder.mkdir(parents=True)
    (folder / "redis.json").write_text(json.dumps({"url": program.url, "command": list(program.command)}))


def test_data_from_before_there_was_a_password_is_kept(tmp_path: Path) -> None:
    url, secrets = f"redis://127.0.0.1:{free_port()}/0", stack_secrets(tmp_path)
    with running(redis_program(url, tmp_path)), Redis.from_url(url) as redis:
        redis.set("kept", "yes")
    password = secrets.redis_password().read_text()
    secured = redis_program(url, tmp_path, password=password, users=secrets.redis_users())
    with running(secured):
        with Redis.from_url(url) as redis, pytest.raises(AuthenticationError):
            redis.get("kept")
        with Redis.from_url(with_password(url, password)) as redis:
            assert redis.get("kept") == b"yes"


@pytest.mark.parametrize("secured", [True, False])
def test_a_redis_that_runs_is_addressed_as_it_was_started(tmp_path: Path, secured: bool) -> None:
    url, users = f"redis://127.0.0.1:{free_port()}/0", stack_secrets(tmp_path).redis_users()
    record(tmp_path, redis_program(url, tmp_path, users=users if secured else None))
    stack = Stack(StackSettings(data_dir=tmp_path, redis_url=""), Console(file=io.StringIO()))
    program = stack._redis()
    assert program and program.url == url and (ACL_OPTION in program.command) is secured
    found = own_redis_url(tmp_path)
    assert found and (found != url) is secured
    told = {name for one in stack._programs(url) for name in one.environment}
    assert ("REDIS_PASSWORD_FILE" in told) is secured and "SERVICE_TOKEN_FILE" in told
    assert all(
        ":" not in one.url.removeprefix("redis://127.0.0.1:") for one in stack._programs(url) if "redis" in one.url
    )
