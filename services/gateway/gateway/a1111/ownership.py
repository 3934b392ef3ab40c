"""Whose job is it? Progress and interrupts concern one's own jobs and nobody else's.

A client names its job beforehand (``force_task_id``) or uses the id that it was answered. Without either it means its
own unfinished job. Who it is says its header ``X-Client-ID``; or the cookie that its first answer brought, which
sessions and browsers send back by themselves; or, where it sends neither, its address and credentials.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from typing import cast

from fastapi import Request, Response
from redis import Redis

from framesense.http.problems import ProblemError
from framesense.schemas.jobs import Job, JobState
from gateway.access.callers import caller_of
from gateway.edits.jobs import EDITS

COOKIE = "framesense-client"
MAX_TRACKED_JOBS = 200
"""Jobs of one client that are looked through for an unfinished one."""


def set_client_cookie(request: Request, response: Response) -> None:
    """Set a cookie for a client that does not identify itself, by which it is known again."""
    if not (request.headers.get("x-client-id") or request.cookies.get(COOKIE)):
        response.set_cookie(COOKIE, secrets.token_urlsafe(16), path="/sdapi", httponly=True, samesite="lax")


def identities(request: Request) -> tuple[str, ...]:
    """Return the identities of a request's client, as hashes.

    The first is whose its jobs are; jobs of the others are its own too, where the first has none: a client may send its
    edits without its cookies and ask for progress with them.

    Addresses of a proxy's clients are known where it sets X-Forwarded-For and is trusted (``FORWARDED_ALLOW_IPS``).
    """
    caller = caller_of(request)
    # Two keys never share an identity, whatever else their requests say.
    key = [caller.key.id] if caller.key else []
    if named := request.headers.get("x-client-id"):
        return (_hashed("name", named, *key),)
    anonymous = _hashed("address", caller.address, request.headers.get("authorization", ""), *key)
    cookie = request.cookies.get(COOKIE)
    return (_hashed("cookie", cookie, *key), anonymous) if cookie else (anonymous,)


def _hashed(*said: str) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


class Ownership:
    """Remember which job belongs to which client, and its name. Blocking.

    Args:
        redis: must decode responses to str.
        job: returns a job that the caller may see by its id, or None.
        key: the caller's, within which names of tasks are its own; empty where keys are not required.
        retention_seconds: how long it is remembered.
    """

    def __init__(self, redis: Redis, job: Callable[[str], Job | None], *, key: str, retention_seconds: float) -> None:
        self._redis, self._job, self._key, self._retention = redis, job, key, int(retention_seconds) + 1

    def require_free(self, task: str) -> None:
        """Raise ProblemError 409 while an unfinished job has this name."""
        job = self._named(task) if task else None
        if job and not job.state.finished:
            detail = f"force_task_id {task!r} is the name of job {job.id}, which is {job.state}. Choose another name."
            raise ProblemError(409, "task-exists", "Task exists", detail)

    def record(self, job: Job, client: str, task: str) -> None:
        """Record that a job is this client's, and is called ``task`` unless that is empty."""
        key = _client_key(client)
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(key, {job.id: job.created_at.timestamp()})
            pipe.zremrangebyrank(key, 0, -MAX_TRACKED_JOBS - 1)
            pipe.expire(key, self._retention)
            if task:
                pipe.set(_task_key(self._key, task), job.id, ex=self._retention)
            pipe.execute()

    def get(self, name: str) -> Job | None:
        """Return an edit job by its task's name or its id, or None."""
        job = self._named(name) or self._job(name)
        return job if job and job.kind in EDITS else None

    def find(self, name: str) -> Job:
        """Return an edit job as :meth:`get` does. Raises a 404 problem where there is none."""
        job = self.get(name)
        if job is None:
            detail = f"There is no task or edit {name[:100]!r}: it was not sent yet, or was deleted."
            raise ProblemError(404, "unknown-job", "Unknown job", detail)
        return job

    def unfinished(self, client: str) -> list[Job]:
        """Return the client's unfinished jobs, in the order sent."""
        key = _client_key(client)
        ids = cast(list[str], self._redis.zrange(key, 0, -1))
        jobs = {job_id: self._job(job_id) for job_id in ids}
        if ended := [job_id for job_id, job in jobs.items() if job is None or job.state.finished]:
            self._redis.zrem(key, *ended)
        return [job for job in jobs.values() if job and not job.state.finished]

    def current(self, clients: Sequence[str]) -> Job | None:
        """Return the job that runs, or else the one that was sent first, of the first of these identities that has an
        unfinished one; None where all are finished.
        """
        for client in clients:
            if jobs := self.unfinished(client):
                return next((job for job in jobs if job.state is JobState.RUNNING), jobs[0])
        return None

    def _named(self, task: str) -> Job | None:
        job_id = cast(str | None, self._redis.get(_task_key(self._key, task)))
        return self._job(job_id) if job_id else None


def _client_key(client: str) -> str:
    return f"framesense:a1111:client:{client}"


def _task_key(key: str, task: str) -> str:
    return f"framesense:a1111:task:{hashlib.sha256(f'{key}{task}'.encode()).hexdigest()}"
