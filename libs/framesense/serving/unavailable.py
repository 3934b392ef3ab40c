"""The answers of a model server that takes no more work: its queue is full, or it is stopping.

Both are 503s that say when to come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from framesense.http.problems import ProblemError
from framesense.serving.batching import BatcherClosed, QueueFull


def busy(service: str, items: str, waiting: int, retry_after: int) -> ProblemError:
    """Return the 503 of a full queue.

    Args:
        service: what the server is called: "captioner".
        items: what waits there: "images".
        waiting: how many wait already.
        retry_after: seconds until there should be room.
    """
    detail = f"{waiting} {items} are waiting already. Try again in {retry_after} s."
    headers = {"Retry-After": str(retry_after)}
    return ProblemError(503, f"{service}-busy", f"{service.capitalize()} busy", detail, headers=headers)


def stopping(service: str) -> ProblemError:
    """Return the 503 of a server that is shutting down."""
    detail = f"The {service} is shutting down. Try again in a moment."
    headers = {"Retry-After": "5"}
    return ProblemError(503, f"{service}-stopping", f"{service.capitalize()} stopping", detail, headers=headers)


@contextmanager
def batcher_problems(service: str) -> Iterator[None]:
    """Turn the refusals of a :class:`~framesense.serving.batching.MicroBatcher` of images into a 503 each."""
    try:
        yield
    except QueueFull as error:
        raise busy(service, "images", error.waiting, error.retry_after) from error
    except BatcherClosed as error:
        raise stopping(service) from error
