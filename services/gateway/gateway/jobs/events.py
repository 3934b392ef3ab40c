"""Follow a job by its event stream in Redis, without blocking, from now or from where a listener left off."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis

from framesense.jobs.store import events_key, read_event
from framesense.schemas.jobs import Job

BLOCK_MS = 2000
"""How long one read of the stream waits. A job that is deleted meanwhile is noticed after at most this."""
_Entries = Sequence[tuple[str, dict[str, str]]]
_Answer = Sequence[tuple[str, _Entries]]
_EVENT_ID = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)


@dataclass(frozen=True)
class Event:
    """Hold a job as it was at one moment. ``id`` sorts by time and lets a listener go on from there."""

    id: str
    job: Job


async def follow(redis: Redis, job_id: str, after: str | None = None) -> AsyncGenerator[Event]:
    """Yield the job as it is, then every change of it, until it is finished or deleted.

    ``after`` is the last event already seen: then only its successors come. An id that no event of this job has had
    counts as none. Raises redis.exceptions.MaxConnectionsError where as many listen as may.
    """
    # One connection from the beginning to the end: with one for each read, the limit would break a stream midway.
    async with redis.client() as own:
        latest = await latest_event(own, job_id)
        if latest is None:
            return
        seen = after if after and _order(after) and _order(after) <= _order(latest.id) else None
        if seen is None:
            yield latest
            seen = latest.id
        finished = latest.job.state.finished and seen == latest.id
        while not finished:
            answer = cast(_Answer, await own.xread({events_key(job_id): seen}, block=BLOCK_MS))
            for event in _read_all(answer[0][1] if answer else []):
                yield event
                seen, finished = event.id, event.job.state.finished
            if not answer and not await own.exists(events_key(job_id)):
                return


async def latest_event(redis: Redis, job_id: str) -> Event | None:
    """Return the newest event of a job, or None for an unknown one."""
    return next(_read_all(cast(_Entries, await redis.xrevrange(events_key(job_id), count=1))), None)


async def wait_until_finished(redis: Redis, job_id: str, seconds: float | None = None) -> Job | None:
    """Return the job once it is finished, or None when ``seconds`` passed first or it was deleted."""
    try:
        async with asyncio.timeout(seconds), aclosing(follow(redis, job_id)) as events:
            async for event in events:
                if event.job.state.finished:
                    return event.job
    except TimeoutError:
        pass
    return None


def _read_all(entries: _Entries) -> Iterator[Event]:
    return (Event(event_id, read_event(fields["job"])) for event_id, fields in entries)


def _order(event_id: str) -> tuple[int, ...]:
    """Return a Redis stream id as milliseconds and a counter, to compare by; empty for what is no such id."""
    order = tuple(map(int, event_id.split("-"))) if _EVENT_ID.fullmatch(event_id) else ()
    return order if max(order, default=0) < 2**64 else ()
