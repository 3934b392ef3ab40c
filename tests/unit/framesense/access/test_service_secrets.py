"""What the services of an installation know one another by: made once, and understood by a real Redis."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from redis import AuthenticationError, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError

from framesense.access.service_secrets import ServiceSecrets
from framesense.settings import read_secret, with_password
from tests.support.processes import redis_server
from tests.support.waiting import wait_until
from tools.processes import free_port


def test_secrets_are_made_once_and_are_the_account_s_own(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "framesense.access.service_secrets", str(folder)], check=True)
        kept = {path.name: path.read_text() for path in folder.iterdir()}
        assert kept.keys() == {"service-token", "redis-password", "redis-users.acl"}
        assert kept == {path.name: path.read_text() for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("service-token", "redis-password")} == {0o600}
    assert len(kept["service-token"]) == 43 and kept["redis-password"] not in kept["redis-users.acl"]
    made = ServiceSecrets(folder)
    assert read_secret(made.service_token()) == kept["service-token"]
    assert ServiceSecrets(tmp_path / "other").service_token().read_text() != kept["service-token"]


def test_redis_asks_for_the_password_and_refuses_dangerous_commands(tmp_path: Path) -> None:
    made, port = ServiceSecrets(tmp_path / "secrets"), free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", ""]
    process = subprocess.Popen(
        [redis_server(), *options, "--aclfile", str(made.redis_users())], stdout=subprocess.DEVNULL
    )
    try:
        url = f"redis://127.0.0.1:{port}/0"
        with Redis.from_url(with_password(url, read_secret(made.redis_password()))) as redis:
            wait_until(lambda: _answers(redis))
            assert redis.set("a", 1) and redis.eval("return redis.call('GET', KEYS[1])", 1, "a") == b"1"
            for command in ("FLUSHALL", "KEYS *", "CONFIG GET dir", "SHUTDOWN", "MONITOR", "ACL LIST", "CLIENT LIST"):
                with pytest.raises(NoPermissionError):
                    redis.execute_command(*command.split())
        for wrong in (url, with_password(url, "guess")):
            with Redis.from_url(wrong) as redis, pytest.raises(AuthenticationError):
                redis.get("a")
    finally:
        process.kill()
        process.wait()


def _answers(redis: "Redis") -> bool:
    try:
        return bool(redis.ping())
    except RedisConnectionError:
        return False
