"""How the cost of a page of jobs grows with the number of jobs kept: ``python -m benchmarks.jobs``.

It runs a Redis of its own and asks the store, without HTTP: a page of 50 and the next, a job made and deleted, and the
count of states that each scrape of the metrics takes.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from redis import Redis

from benchmarks.figures import Figure
from benchmarks.processes import running
from framesense.jobs.payloads import EditPayload, EditSource
from framesense.jobs.store import INDEX, JobStore
from framesense.schemas.jobs import JobKind
from tools.own_redis import redis_program
from tools.processes import Program, free_port

FEW, MANY = 1000, 100_000
REPEATS = 15


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, _redis(Path(folder)) as redis:
        store = JobStore(redis, lease_seconds=15, retention_seconds=1e9)
        _fill(redis, store, FEW)
        few = _measure(store)
        _fill(redis, store, MANY - FEW)
        many = _measure(store)
    for what, seconds in many.items():
        how = f"{1000 * seconds:.1f} ms with {MANY:,} jobs, {1000 * few[what]:.1f} ms with {FEW:,}"
        print(Figure(what, seconds / few[what], "×", "≤ 2" if what != "states" else "", how).row())


def _measure(store: JobStore) -> dict[str, float]:
    cursor = store.page(limit=50).next_cursor
    payload = EditPayload(edit=EditSource(photos=[]))
    return {
        "page": _seconds(lambda: store.page(limit=50)),
        "next page": _seconds(lambda: store.page(limit=50, cursor=cursor)),
        "made and deleted": _seconds(
            lambda: store.delete(store.create(JobKind.EDIT, name="edit", parameters={}, payload=payload).id)
        ),
        "states": _seconds(store.states),
    }


def _seconds(call: Callable[[], object]) -> float:
    """Return the median of some calls."""

    def once() -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    return statistics.median(once() for _ in range(REPEATS))


def _fill(redis: Redis, store: JobStore, count: int) -> None:
    """Add finished jobs, copies of one."""
    payload = EditPayload(edit=EditSource(photos=["a.png"]))
    pattern = store.create(JobKind.EDIT, name="edit", parameters={"prompt": "a red room"}, payload=payload)
    store.cancel(pattern.id)
    fields = cast(dict[Any, str], redis.hgetall(f"framesense:job:{pattern.id}"))
    for start in range(1, count, 1000):
        with redis.pipeline(transaction=False) as pipe:
            for number in range(start, min(start + 1000, count)):
                job_id = uuid4().hex
                pipe.hset(f"framesense:job:{job_id}", mapping={**fields, "id": f'"{job_id}"'})
                for index in (INDEX, f"{INDEX}:{JobKind.EDIT}"):
                    pipe.zadd(index, {job_id: number})
            pipe.execute()


@contextmanager
def _redis(folder: Path) -> Iterator[Redis]:
    program: Program = redis_program(f"redis://127.0.0.1:{free_port()}/0", folder)
    with running(program, folder), Redis.from_url(program.url, decode_responses=True) as client:
        yield client


if __name__ == "__main__":
    main()
