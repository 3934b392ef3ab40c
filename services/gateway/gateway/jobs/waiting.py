"""Answer a request that started a job: ``202`` with the job, or its result if the client waits and it is ready in time.

``Prefer: wait=SECONDS`` (RFC 7240) is how a client asks to wait.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Annotated

from fastapi import Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from redis import RedisError

from framesense.http.disconnects import unless_disconnected
from framesense.schemas.jobs import Job
from gateway.dependencies import Dependencies
from gateway.jobs.events import wait_until_finished
from gateway.jobs.positions import with_position

log = logging.getLogger(__name__)

_WAIT = re.compile(r"""wait\s*=\s*"?(\d{1,9})"?""", re.IGNORECASE)

Prefer = Annotated[str | None, Header(description="`wait=SECONDS` waits for the result", examples=["wait=30"])]
"""The header of a route that answers with :func:`answer_job`."""


async def answer_job(
    request: Request, dependencies: Dependencies, job: Job, prefer: str | None, result: Callable[[Job], BaseModel]
) -> Response:
    """Answer 202 with the job, or 200 with its result if it is finished within the wait that ``prefer`` asks for.

    A wait is only preferred: where too many clients wait already, or the gateway is stopped, the answer is the job.
    ``result`` reads a finished job's result in a thread. Raises ProblemError where the job failed, and ClientDisconnect
    when the caller hangs up while it waits; the job goes on.
    """
    wait = preferred_wait(prefer, limit=dependencies.settings.prefer_wait_limit)
    waiting = wait_until_finished(dependencies.events, job.id, wait) if wait else None
    headers = {"Location": f"/jobs/{job.id}"}
    try:
        finished = await unless_disconnected(request, waiting) if waiting else None
        if finished is None:
            job = await asyncio.to_thread(with_position, dependencies, job)
    except RedisError as error:
        log.warning("job %s is answered without waiting for it: %s", job.id, error)
        finished = None
    except asyncio.CancelledError:
        # The server is stopped and waits no longer for its requests; one that took its job on says so.
        if task := asyncio.current_task():
            task.uncancel()
        finished = None
    if finished is None:
        return JSONResponse(job.model_dump(mode="json"), 202, headers)
    headers["Preference-Applied"] = f"wait={wait:g}"
    document = await asyncio.to_thread(result, finished)
    return Response(document.model_dump_json(), 200, headers, "application/json")


def preferred_wait(header: str | None, *, limit: float) -> float:
    """Return how many seconds to wait, at most ``limit``; 0 without the preference.

    A malformed preference is ignored, as the RFC asks.
    """
    for preference in (header or "").split(","):
        # A preference may carry parameters after a semicolon.
        if match := _WAIT.fullmatch(preference.split(";")[0].strip()):
            return min(float(match[1]), limit)
    return 0.0
