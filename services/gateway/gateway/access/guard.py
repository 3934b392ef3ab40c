"""Let through who may, and know who it is: every request passes here before anything of it is read.

A key comes as ``Authorization: Bearer``, as the password of ``Basic`` (the way of A1111's clients), or by the cookie of
a session. Where keys are not required, everybody may do everything.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from redis import RedisError
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from framesense.access.credentials import bearer_or_password
from framesense.access.keys import ApiKey, KeyStore, KeysUnreadableError
from framesense.http.problems import ProblemError, problem_response
from framesense.schemas.access import Scope as KeyScope
from gateway.access import refusals
from gateway.access.audit import AuditEvent, record
from gateway.access.callers import Caller, address_of, caller_of
from gateway.access.rates import RateLimit, network_of
from gateway.access.rules import AccessRules
from gateway.access.sessions import Sessions, session_token
from gateway.http.redis_problems import redis_problem_of

log = logging.getLogger(__name__)


class Gatekeeper:
    """Tell who sent a request, and whether they may.

    Args:
        keys: the keys there are.
        sessions: those of browsers.
        required: whether a key is needed at all.
        tries: wrong keys a minute from one address, after which it is refused for a while.
    """

    def __init__(self, keys: KeyStore, sessions: Sessions, *, required: bool, tries: int) -> None:
        self.keys, self.sessions, self.required = keys, sessions, required
        self._tries, self._wrong, self._requests = tries, RateLimit(), RateLimit()
        self._rules = AccessRules()
        self._known: Mapping[str, str] | None = None
        """Names of the keys by id, as they were seen last."""
        with suppress(KeysUnreadableError):  # whoever sends a request is told
            self._watch()

    async def admit(self, request: HTTPConnection) -> Caller:
        """Return who sent a request, and note it in the request's state, also where it is refused afterwards.

        Raises ProblemError: 401 without a key or with a wrong one, 403 for a key that may not do this, 429 after too
        many tries or requests, 503 where keys cannot be read. Raises redis.RedisError.
        """
        request.state.caller = caller = Caller(address_of(request))
        scope = self._scope_of(request)
        if scope is None:
            return caller
        key = await self.identify(request)
        if key is None:
            raise refusals.no_credentials(bool(self.keys.all()))
        request.state.caller = caller = Caller(caller.address, key)
        if not key.may(scope):
            raise refusals.missing_scope(key, scope)
        self._count(key)
        return caller

    async def identify(self, request: HTTPConnection) -> ApiKey | None:
        """Return the key that a request shows, by itself or by a session; None where it shows none.

        Raises ProblemError: 401 for a wrong key or a session that has ended, 429 after too many tries.
        """
        self._watch()
        text = bearer_or_password(request.headers.get("authorization", ""))
        if text is not None:
            return self.verify(text, address_of(request))
        token = session_token(request)
        if token is None:
            return None
        key = await asyncio.to_thread(self.sessions.key, token)
        if key is None:
            raise refusals.session_over()
        return key

    def verify(self, text: str, address: str) -> ApiKey:
        """Return the key whose text this is. Raises ProblemError: 401 for a wrong one, 429 after too many of them."""
        network = network_of(address)
        if seconds := self._wrong.wait(network, self._tries):
            raise refusals.too_many_tries(seconds)
        key = self.keys.verify(text)
        if key is None:
            self._wrong.add(network, self._tries)
            raise refusals.wrong_key()
        return key

    def _scope_of(self, request: HTTPConnection) -> KeyScope | None:
        """Return the scope that a request needs, or None where it needs no key."""
        if not self.required:
            return None
        # As the router sees it: the path of a URL would end at a question mark that was sent as %3F.
        scope = self._rules.required(request["method"], request["path"])
        # Any key is good enough to learn that something is not there.
        return scope if scope is not KeyScope.ADMIN or _is_routed(request) else KeyScope.READ

    def _count(self, key: ApiKey) -> None:
        """Count a request. Raises a 429 problem where a key sends more than it may."""
        limit = key.limits.requests
        if limit is None:
            return
        if seconds := self._requests.wait(key.id, limit):
            raise refusals.too_many_requests(limit, seconds)
        self._requests.add(key.id, limit)

    def _watch(self) -> None:
        """Record keys that were added or revoked since the last look; another process does both."""
        now = {key.id: key.name for key in self.keys.all()}
        if self._known is not None and self._known.keys() != now.keys():
            for key_id in [key_id for key_id in now if key_id not in self._known]:
                record(AuditEvent.KEY_ADDED, key=key_id, name=now[key_id])
            for key_id in self._known.keys() - now.keys():
                record(AuditEvent.KEY_REVOKED, key=key_id, name=self._known[key_id])
        self._known = now


class AccessGuard:
    """Answer those whom a :class:`Gatekeeper` does not admit, and record what others delete or switch."""

    def __init__(self, app: ASGIApp, gatekeeper: Gatekeeper) -> None:
        self._app, self._gatekeeper = app, gatekeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        try:
            caller = await self._gatekeeper.admit(request)
        except (ProblemError, RedisError, KeysUnreadableError) as error:
            await self._refuse(request, _problem_of(error))(scope, receive, send)
            return
        if caller.key:
            send = _private(send)
        if event := _event_of(scope["method"], scope["path"]):
            send = _recording(send, event, caller, _what(request))
        await self._app(scope, receive, send)

    def _refuse(self, request: HTTPConnection, problem: ProblemError) -> ASGIApp:
        caller = caller_of(request)
        record(AuditEvent.REFUSED, key=caller.key_id, address=caller.address, what=_what(request), why=problem.slug)
        headers = dict(problem.headers)
        if problem.status == 401:
            headers["Cache-Control"] = "no-store"
        return problem_response(request, problem.document(), headers)


async def keys_problem(request: Request, error: Exception) -> Response:
    """Answer 503 where the file of keys cannot be read."""
    assert isinstance(error, KeysUnreadableError)
    problem = _problem_of(error)
    return problem_response(request, problem.document(), problem.headers)


def _problem_of(error: ProblemError | RedisError | KeysUnreadableError) -> ProblemError:
    """Return what to tell of an error. Raises the error where it is a fault of ours."""
    if isinstance(error, KeysUnreadableError):
        log.error("%s", error)
        return refusals.keys_unreadable("The keys of this gateway cannot be read. Its log says why.")
    if isinstance(error, RedisError):
        problem = redis_problem_of(error)
        if problem is None:
            raise error
        return problem
    return error


def _is_routed(request: HTTPConnection) -> bool:
    """Tell whether some route would answer a request."""
    return any(route.matches(request.scope)[0] is Match.FULL for route in request.app.routes)


def _what(request: HTTPConnection) -> str:
    return f"{request['method']} {request['path']}"


def _event_of(method: str, path: str) -> AuditEvent | None:
    if method == "DELETE" and path != "/session":
        return AuditEvent.DELETED
    return AuditEvent.MODEL_SWITCHED if method == "PUT" and path.startswith("/models/") else None


def _private(send: Send) -> Send:
    """Have caches on the way keep an answer for nobody else."""

    async def send_privately(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Cache-Control"] = headers.get("Cache-Control", "private").replace("public", "private")
        await send(message)

    return send_privately


def _recording(send: Send, event: AuditEvent, caller: Caller, what: str) -> Send:
    """Record an event once it is answered, unless it was refused."""

    async def send_and_record(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < 400:
            record(event, key=caller.key_id, address=caller.address, what=what, status=message["status"])
        await send(message)

    return send_and_record
