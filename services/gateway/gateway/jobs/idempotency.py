"""Answer a request that is sent again under its Idempotency-Key with the job that the first one started.

So a client that lost the answer may send again: there is one job. The header is that of
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from typing import Annotated, Any, Self, cast

from fastapi import Header
from redis import Redis

from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.jobs.store import JobStore
from framesense.schemas.jobs import Job
from gateway.access.callers import Caller

PENDING_SECONDS = 120
"""How long a key is held for a request under way: longer than storing its input takes, should the gateway die then."""
_KEY = re.compile(r"[!-~]{1,255}")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="a text of your own, new for each job: the same request under the same key starts no second job",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]
"""The header of a route that starts a job by :meth:`IdempotencyKeys.submit_once`."""
Inputs = Mapping[str, Any]
"""All that a request asks for, fit for JSON: files by their hashes."""


class IdempotencyKeys:
    """Keep in Redis which job each key belongs to, and what its request asked for."""

    def __init__(self, redis: Redis, jobs: JobStore, *, retention_seconds: float) -> None:
        self._redis, self._jobs, self._retention = redis, jobs, int(retention_seconds)
        self._client = ""

    def of(self, caller: Caller) -> Self:
        """Return the keys as a caller has them: with API keys, another caller's of the same text are others."""
        own = copy(self)
        own._client = caller.client if caller.key else ""
        return own

    async def submit_once(self, key: str | None, inputs: Inputs, submit: Callable[[], Awaitable[Job]]) -> Job:
        """Return the job that ``submit`` starts, or the one that it started for the same key and inputs before.

        Raises ProblemError: 400 for what is no key, 409 while the first request is under way, 422 for a key that was
        used for something else, and what ``submit`` raises; then the key is free again.
        """
        if key is None:
            return await submit()
        name, fingerprint = _name(key, self._client), _fingerprint(inputs)
        if earlier := await asyncio.to_thread(self._claim, name, fingerprint):
            return earlier
        try:
            job = await submit()
        except BaseException:
            await asyncio.shield(asyncio.to_thread(self._redis.delete, name))
            raise
        await asyncio.to_thread(self._redis.set, name, f"{fingerprint} {job.id}", ex=self._retention)
        return job

    def _claim(self, name: str, fingerprint: str) -> Job | None:
        """Return the key's job; None where the key is this request's from now on."""
        while not self._redis.set(name, f"{fingerprint} ", nx=True, ex=PENDING_SECONDS):
            held = cast(str | None, self._redis.get(name))
            if held is None:  # expired this very moment
                continue
            used_for, _, job_id = held.partition(" ")
            if used_for != fingerprint:
                detail = "This Idempotency-Key was used for another request. Send a new key with each new request."
                raise ProblemError(422, "idempotency-key-reused", "Idempotency key reused", detail)
            if not job_id:
                detail = "The first request under this Idempotency-Key is still under way. Ask again in a moment."
                headers = {"Retry-After": "1"}
                raise ProblemError(409, "request-under-way", "Request under way", detail, headers=headers)
            if job := self._jobs.get(job_id):
                return job
            self._redis.delete(name)  # its job was deleted
        return None


def upload_inputs(uploads: Sequence[Upload | None], **inputs: Any) -> Inputs:
    """Return the inputs of a request whose files are in memory."""
    hashes = [upload and [upload.filename, hashlib.sha256(upload.content).hexdigest()] for upload in uploads]
    return {**inputs, "files": hashes}


def _name(key: str, client: str) -> str:
    """Return what a client's key is called in Redis. Raises a 400 problem."""
    bare = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
    if not _KEY.fullmatch(bare):
        detail = "An Idempotency-Key is a text of 1 to 255 visible ASCII characters, such as a UUID."
        raise ProblemError(400, "invalid-idempotency-key", "Invalid idempotency key", detail)
    return f"framesense:idempotency:{hashlib.sha256(f'{client}{bare}'.encode()).hexdigest()}"


def _fingerprint(inputs: Inputs) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
