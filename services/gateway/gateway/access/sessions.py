"""Sessions: a browser shows a key once, and has a cookie from then on.

A session is a random token in the cookie, and in Redis, under the token's hash, the id of the key; it ends when it
expires, when its owner signs out, and with its key.
"""

import hashlib
import secrets
from typing import cast

from redis import Redis
from starlette.requests import HTTPConnection
from starlette.responses import Response

from framesense.access.keys import ApiKey, KeyStore
from framesense.schemas.access import SESSION_COOKIE


class Sessions:
    """Blocking; ``redis`` must decode responses to str. Methods raise redis.RedisError."""

    def __init__(self, redis: Redis, keys: KeyStore, *, seconds: float) -> None:
        self._redis, self._keys, self.seconds = redis, keys, int(seconds)

    def start(self, key: ApiKey) -> str:
        """Begin a session of a key's owner, and return its token."""
        token = secrets.token_urlsafe(32)
        self._redis.set(_name(token), key.id, ex=self.seconds)
        return token

    def key(self, token: str) -> ApiKey | None:
        """Return the key of a session; None for one that has ended, or whose key was revoked."""
        key_id = cast(str | None, self._redis.get(_name(token)))
        return self._keys.get(key_id) if key_id else None

    def end(self, token: str) -> None:
        """End a session."""
        self._redis.delete(_name(token))


def session_token(request: HTTPConnection) -> str | None:
    """Return the token in a request's cookie, if it has one."""
    return request.cookies.get(SESSION_COOKIE) or None


def set_session_cookie(request: HTTPConnection, response: Response, token: str, *, seconds: int) -> None:
    """Hand a token to the browser: for no script to read, and sent by pages of this host alone."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        SESSION_COOKIE, token, max_age=seconds, path="/", httponly=True, samesite="strict", secure=secure
    )


def clear_session_cookie(request: HTTPConnection, response: Response) -> None:
    """Have the browser forget the token."""
    response.delete_cookie(
        SESSION_COOKIE, path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )


def _name(token: str) -> str:
    return f"framesense:session:{hashlib.sha256(token.encode()).hexdigest()}"
