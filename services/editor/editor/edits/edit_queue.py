"""Run edits one after another: they wait in a queue, and a cancelled one leaves it at once.

A :class:`EditQueue` has two threads of its own: on the first the model works, on the second its pictures are finished
(blended, measured, encoded) while the model is at the next one. It knows nothing of HTTP or of models.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from editor.models.base import Cancelled

Event = TypeVar("Event")

_UNFINISHED = 2
"""Pictures that may wait to be finished before the model does: they are large."""


class QueueFull(Exception):  # noqa: N818 - as asyncio.QueueFull
    """The queue is full; ``retry_after`` is an estimate, in whole seconds, of when there will be."""

    def __init__(self, waiting: int, retry_after: int) -> None:
        super().__init__(f"{waiting} edits are waiting already; there should be room in {retry_after} s")
        self.waiting, self.retry_after = waiting, retry_after


class QueueClosed(Exception):  # noqa: N818 - a state, not an error
    """The queue was closed before the edit was done."""


class EditTask(Generic[Event]):
    """An edit in the queue, and the events that come of it.

    The work uses :meth:`emit`, :meth:`check` and :meth:`finish`, on the queue's threads; its caller uses
    :meth:`events`, on the event loop, and :meth:`EditQueue.cancel`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, finisher: ThreadPoolExecutor) -> None:
        self._loop, self._finisher = loop, finisher
        self._events: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()
        self._cancelled, self._closing = threading.Event(), threading.Event()
        self._room = threading.Semaphore(_UNFINISHED)
        self._failure: BaseException | None = None
        """Raised by the work on the second thread."""

    def emit(self, event: Event) -> None:
        """Send an event to the caller, from any thread."""
        self._put(event)

    def check(self) -> None:
        """Raise Cancelled once the task is cancelled or has failed, QueueClosed once the queue closes."""
        if self._cancelled.is_set() or self._failure is not None:
            raise Cancelled
        if self._closing.is_set():
            raise QueueClosed("the editor is shutting down")

    def finish(self, work: Callable[[], None]) -> None:
        """Leave the rest of the work to the second thread, in order; wait while too much of it is unfinished."""
        while not self._room.acquire(timeout=0.1):
            self.check()
        self._finisher.submit(self._finish, work)

    async def events(self, silence: float) -> AsyncIterator[Event | None]:
        """Yield the events to the end, and None after every ``silence`` seconds without one.

        Raises whatever the work raised, and QueueClosed.
        """
        while True:
            try:
                async with asyncio.timeout(silence):
                    event = await self._events.get()
            except TimeoutError:
                yield None
                continue
            if event is None:
                return
            if isinstance(event, BaseException):
                raise event
            yield event

    def _run(self, work: Callable[[EditTask[Event]], None]) -> None:
        error: BaseException | None = None
        try:
            self.check()
            work(self)
        except BaseException as raised:
            error = raised
        self._finisher.submit(self._end, error)  # after all that was left to be finished

    def _finish(self, work: Callable[[], None]) -> None:
        try:
            self.check()
            work()
        except BaseException as error:
            self._failure = self._failure or error
        finally:
            self._room.release()

    def _end(self, error: BaseException | None) -> None:
        self._put(self._failure or error)

    def _put(self, event: Event | BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # the event loop has ended before the work did
            self._cancelled.set()


class EditQueue(Generic[Event]):
    """A queue of edits for one event loop. ``limit``: the most that may wait besides the one that runs."""

    def __init__(self, limit: int, observe: Callable[[int], None] = lambda waiting: None) -> None:
        self._limit, self._observe = limit, observe
        self._model = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._finisher = ThreadPoolExecutor(1, thread_name_prefix="finish")
        self._tasks: dict[EditTask[Event], Future[None]] = {}
        self._seconds = 0.0
        """Seconds that an edit took lately."""
        self._closed = False

    @property
    def waiting(self) -> int:
        """Return how many edits wait for their turn."""
        return max(0, len(self._tasks) - 1)

    def submit(self, work: Callable[[EditTask[Event]], None]) -> EditTask[Event]:
        """Queue an edit.

        ``work`` is called on the model's thread in its turn; whoever reads the task's events gets its errors.

        Raises QueueFull, QueueClosed.
        """
        if self._closed:
            raise QueueClosed("the editor is shutting down")
        self.require_room()
        loop = asyncio.get_running_loop()
        task: EditTask[Event] = EditTask(loop, self._finisher)

        def run() -> None:
            started = time.monotonic()
            task._run(work)
            with contextlib.suppress(RuntimeError):  # the event loop has ended
                loop.call_soon_threadsafe(self._record_duration, time.monotonic() - started)

        future = self._model.submit(run)
        self._tasks[task] = future
        self._observe(self.waiting)
        future.add_done_callback(lambda _: _on(loop, self._forget, task))
        return task

    def require_room(self) -> None:
        """Raise QueueFull where no more edits may wait."""
        if len(self._tasks) > self._limit:
            raise QueueFull(self.waiting, max(1, math.ceil(self._seconds)))

    def cancel(self, task: EditTask[Event]) -> None:
        """Cancel an edit: if it waits it is never begun, else it stops at its next check.

        May be called at any time, more than once.
        """
        task._cancelled.set()
        if (future := self._tasks.get(task)) is not None and future.cancel():
            self._forget(task)

    def abort(self) -> None:
        """Close the queue: the edit under way ends at its next check, and every task raises QueueClosed."""
        self._closed = True
        for task, future in list(self._tasks.items()):
            task._closing.set()
            if future.cancel():
                task._put(QueueClosed("the editor is shutting down"))
                self._forget(task)

    async def close(self) -> None:
        """Abort all edits, and return when both threads have ended."""
        self.abort()
        await asyncio.to_thread(self._model.shutdown)
        await asyncio.to_thread(self._finisher.shutdown)

    def _record_duration(self, seconds: float) -> None:
        self._seconds = 0.7 * (self._seconds or seconds) + 0.3 * seconds

    def _forget(self, task: EditTask[Event]) -> None:
        if self._tasks.pop(task, None) is not None:
            self._observe(self.waiting)


def _on(loop: asyncio.AbstractEventLoop, call: Callable[[EditTask[Event]], None], task: EditTask[Event]) -> None:
    with contextlib.suppress(RuntimeError):  # the event loop has ended
        loop.call_soon_threadsafe(call, task)
