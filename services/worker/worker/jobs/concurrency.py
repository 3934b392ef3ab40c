"""Doing two things at once: an iterator that runs ahead in a thread, and a mapping with a few calls on their way."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

POLL = 0.1
"""Seconds between looks at ``stop`` while waiting."""


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """The caller asked for the work to stop."""


def run_ahead(items: Iterable[Item], *, depth: int, stop: threading.Event) -> Generator[Item, None, None]:
    """Yield the same items, produced in a thread that is at most ``depth`` items ahead.

    The thread ends when this generator is closed. Raises what ``items`` raises, and Stopped once ``stop`` is set.
    """
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=depth)
    abandoned = threading.Event()

    def put(entry: tuple[bool, Any]) -> None:
        while not (abandoned.is_set() or stop.is_set()):
            try:
                ready.put(entry, timeout=POLL)
                return
            except queue.Full:
                continue
        raise Stopped

    def produce() -> None:
        try:
            for item in items:
                put((True, item))
            put((False, None))
        except Stopped:
            return
        except BaseException as error:
            put((False, error))

    thread = threading.Thread(target=produce, name="run-ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                more, value = ready.get(timeout=POLL)
            except queue.Empty:
                if stop.is_set():
                    raise Stopped from None
                continue
            if more:
                yield value
            elif value is None:
                return
            else:
                raise value
    finally:
        abandoned.set()
        thread.join()


def map_ahead(
    function: Callable[[Item], Result], items: Iterator[Item], *, calls: int, stop: threading.Event
) -> Generator[tuple[Item, Result], None, None]:
    """Yield each item with ``function``'s answer, in order, with up to ``calls`` calls running in threads.

    Raises what ``items`` and ``function`` raise, and Stopped once ``stop`` is set; calls that are still running then
    end by themselves.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(calls, thread_name_prefix="map-ahead")
    try:
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) >= calls:
                yield _first(waiting, stop)
        while waiting:
            yield _first(waiting, stop)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _first(waiting: deque[tuple[Item, Future[Result]]], stop: threading.Event) -> tuple[Item, Result]:
    item, future = waiting.popleft()
    while True:
        if stop.is_set():
            raise Stopped
        try:
            return item, future.result(timeout=POLL)
        except NotYet:
            if future.done():
                raise
