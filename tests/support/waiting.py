"""Waiting for what happens elsewhere: in a process, a thread or a task."""

import asyncio
import time
from collections.abc import Callable

from fastapi.testclient import TestClient
from httpx2 import Response

TIMEOUT = 200.0
"""Seconds; far more than anything in these tests takes, also on a machine that does other work beside them."""


def wait_until(
    condition: Callable[[], object],
    timeout: float = TIMEOUT,
    interval: float = 0.02,
    explain: Callable[[], str] = lambda: "the condition stayed false",
) -> None:
    """Return once the condition is true, looked at every ``interval`` seconds.

    Raises AssertionError with the words of ``explain`` after ``timeout`` seconds. A condition that asserts fails at
    once.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {explain()}")
        time.sleep(interval)


async def wait_until_async(condition: Callable[[], object], timeout: float = TIMEOUT, interval: float = 0.005) -> None:
    """Return once the condition is true, while other tasks of this event loop run."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(interval)


def wait_while_loading(client: TestClient) -> Response:
    """Return the answer of a model server's ``/ready`` once its model is loaded, or cannot be."""
    wait_until(lambda: "being loaded" not in client.get("/ready").text)
    return client.get("/ready")


def wait_until_ready(client: TestClient) -> None:
    """Return once a model server's model is loaded; fails if it cannot be."""
    answer = wait_while_loading(client)
    assert answer.status_code == 200, answer.text
