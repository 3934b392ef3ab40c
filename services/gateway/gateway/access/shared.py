"""What everybody uses and one made: label sets, classifiers and references are changed and deleted by whose they are.

What was made where no keys were required belongs to nobody: a key with the scope admin changes it.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from redis import Redis, RedisError

from gateway.access.callers import Caller
from gateway.access.refusals import not_yours
from gateway.dependencies import Dependencies, InjectedDependencies

log = logging.getLogger(__name__)


class Shared(StrEnum):
    """What is shared, by the path that it is found under."""

    LABEL_SET = "label-sets"
    CLASSIFIER = "classifiers"
    REFERENCE = "references"

    @property
    def noun(self) -> str:
        return self.removesuffix("s").replace("-", " ")


class SharedOwners:
    """Remember who made what is shared. Blocking; ``redis`` must decode responses to str."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def allow(self, caller: Caller, kind: Shared, name: str) -> bool:
        """Tell whether a caller may change and delete this. Raises redis.RedisError."""
        return caller.owner is None or self._redis.hget(_key(kind), name) == caller.owner

    def record(self, caller: Caller, kind: Shared, name: str) -> None:
        """Record that a caller made this; where that fails, it is an admin's to change."""
        if caller.key is None:
            return
        try:
            self._redis.hset(_key(kind), name, caller.client)
        except RedisError as error:
            log.warning("whose %s %r is could not be recorded: %s", kind.noun, name, error)


def require_own(
    kind: Shared, *, unless: str | None = None
) -> Callable[[Request, InjectedDependencies], Awaitable[None]]:
    """Build a dependency of a route that changes or deletes what its path names, but not with the query ``unless``.

    It raises ProblemError: 403 for what another one made, 404 for what is not there.
    """

    async def check(request: Request, dependencies: InjectedDependencies) -> None:
        if unless and request.query_params.get(unless):
            return
        name = request.path_params["name"]
        if await run_in_threadpool(SharedOwners(dependencies.redis).allow, dependencies.caller, kind, name):
            return
        if kind is Shared.REFERENCE:
            await run_in_threadpool(dependencies.references.get, name)
        else:
            (await dependencies.tagger.pass_on("GET", f"/{kind}/{name}")).content()
        raise not_yours(f"The {kind.noun} {name!r}")

    return check


async def record_new(dependencies: Dependencies, kind: Shared, answer: Response) -> Response:
    """Record whose the thing is that a model server has just made; return its answer."""
    if answer.status_code in (200, 201) and dependencies.caller.key:
        name = json.loads(bytes(answer.body))["name"]
        await run_in_threadpool(SharedOwners(dependencies.redis).record, dependencies.caller, kind, name)
    return answer


def _key(kind: Shared) -> str:
    return f"framesense:shared:{kind}"
