"""The secrets that the parts of one installation share: made once, and kept with its data.

``python -m framesense.access.service_secrets FOLDER`` makes those that are missing: the token between services, and
Redis's password with the file that tells it to Redis.
"""

import hashlib
import secrets
import sys
from pathlib import Path

from framesense.access.private_files import write_private
from framesense.settings import read_secret

REDIS_RIGHTS = "~* &* +@all -@admin -@dangerous"
"""All keys and channels; of the commands not those that empty, configure or stop a server, or look into it."""


class ServiceSecrets:
    """The secrets in one folder. Raises OSError where one that is missing cannot be written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def service_token(self) -> Path:
        """Return the file of the token between services."""
        return self._kept("service-token")

    def redis_password(self) -> Path:
        """Return the file of Redis's password."""
        return self._kept("redis-password")

    def redis_users(self) -> Path:
        """Return the file of Redis's users, its option ``aclfile``; it holds the password's hash alone.

        Raises ValueError where the password's file holds none.
        """
        password = read_secret(self.redis_password())
        users = f"user default on #{hashlib.sha256(password.encode()).hexdigest()} {REDIS_RIGHTS}\n"
        file = self._folder / "redis-users.acl"
        if not file.exists() or file.read_text() != users:
            write_private(file, users, mode=0o644)  # for Redis, which may run under an account of its own
        return file

    def _kept(self, name: str) -> Path:
        file = self._folder / name
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32))
        return file


def main() -> None:
    made = ServiceSecrets(Path(sys.argv[1]))
    made.service_token()
    made.redis_users()


if __name__ == "__main__":
    main()
