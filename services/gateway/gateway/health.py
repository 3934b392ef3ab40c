"""What ``/ready`` tells: the parts without which nothing works, and what else does not work now."""

import asyncio
from collections.abc import Mapping

from redis import RedisError

from framesense.http.app import Check
from framesense.http.problems import ProblemError
from framesense.jobs.queue import QUEUES
from gateway.dependencies import Dependencies
from gateway.jobs.positions import no_listener


def checks(dependencies: Dependencies) -> dict[str, Check]:
    """Return the checks of the parts without which nothing works."""

    async def redis() -> None:
        await asyncio.to_thread(dependencies.jobs.check)

    async def storage() -> None:
        await asyncio.to_thread(dependencies.storage.check)

    async def captioner() -> None:
        await dependencies.captioner.ready()

    async def tagger() -> None:
        await dependencies.tagger.ready()

    return {"redis": redis, "storage": storage, "captioner": captioner, "tagger": tagger}


async def warnings(dependencies: Dependencies) -> Mapping[str, str]:
    """Return what does not work though the rest does: queues that nobody listens to, the editor, a full disk.

    Takes no longer than the editor's probe may.
    """
    editor, queues, disk = await asyncio.gather(
        _editor(dependencies), asyncio.to_thread(_queues, dependencies), asyncio.to_thread(_disk, dependencies)
    )
    return {**queues, **editor, **disk}


async def _editor(dependencies: Dependencies) -> Mapping[str, str]:
    try:
        await dependencies.editor.ready()
    except ProblemError as error:
        return {"editor": error.detail}
    return {}


def _queues(dependencies: Dependencies) -> Mapping[str, str]:
    try:
        listeners = dependencies.listeners.count(sorted(set(QUEUES.values())))
    except RedisError:
        return {}  # the check of Redis tells
    return {f"queue {queue}": no_listener(queue) for queue, count in listeners.items() if not count}


def _disk(dependencies: Dependencies) -> Mapping[str, str]:
    problem = dependencies.disk.problem()
    return {"disk": problem.detail} if problem else {}
