"""Many awaiting callers, one model call.

A model answers a batch of 32 in far less than 32 times the time of one. :class:`MicroBatcher` gathers what concurrent
callers submit, prepares each item in a pool of threads and gives the model, on a thread of its own, one batch after
another; preparing the next items and running the current batch overlap. It knows nothing of HTTP or of models.
"""

import asyncio
import math
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar, cast

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")


class QueueFull(Exception):  # noqa: N818 - as asyncio.QueueFull
    """The queue has no room for the items; ``retry_after`` is an estimate, in whole seconds, of when there will be."""

    def __init__(self, waiting: int, retry_after: int) -> None:
        super().__init__(f"{waiting} items are waiting already; there should be room in {retry_after} s")
        self.waiting, self.retry_after = waiting, retry_after


class BatcherClosed(Exception):  # noqa: N818 - a state, not an error
    """The batcher was closed before the items were run."""


class BatchObserver(Protocol):
    """Receive, on the event loop, what happens in a batcher; for metrics."""

    def queue_changed(self, waiting: int) -> None: ...

    def batch_finished(self, size: int, seconds: float) -> None: ...


@dataclass(eq=False)
class _Entry(Generic[Key, Prepared, Result]):
    key: Key
    future: asyncio.Future[Result]
    prepared: Prepared | None = None
    ready_at: float = math.inf


class MicroBatcher(Generic[Key, Item, Prepared, Result]):
    """Gather the items of many callers into batches; an async context manager. Any number of tasks may :meth:`submit`.

    Args:
        prepare: makes one item ready for the model (decoding, resizing); called in a pool of threads.
        run: the model call, one result an item in the same order; called on one thread, never twice at once. Its
            items share one ``key``: the options that a single call cannot mix.
        max_batch: the most items a call.
        max_wait: seconds that a prepared item waits for company at most.
        idle_wait: seconds without a new item after which a batch starts early, if none is being prepared either:
            what a lone caller pays for the batching.
        return_share: how long those who were just answered are waited for, in case they ask again, as a share of a
            usual call's seconds, but ``max_wait`` at most. Without that, callers of a slow model fall into two groups
            that take turns, each in batches of half the size.
        max_queue: the most items waiting (being prepared, or prepared and not yet in a call).
        prepare_threads: size of the pool.
        prepare_setup: called once in each thread of the pool, before its first item.
    """

    def __init__(
        self,
        prepare: Callable[[Item], Prepared],
        run: Callable[[Key, list[Prepared]], Sequence[Result]],
        *,
        max_batch: int,
        max_wait: float,
        max_queue: int,
        idle_wait: float = 0.005,
        return_share: float = 0.05,
        prepare_threads: int = 2,
        prepare_setup: Callable[[], None] | None = None,
        observer: BatchObserver | None = None,
    ) -> None:
        if min(max_batch, max_queue, prepare_threads) < 1 or min(max_wait, idle_wait, return_share) < 0:
            raise ValueError("max_batch, max_queue and prepare_threads must be at least 1, the waits at least 0")
        self._prepare, self._run, self._observer = prepare, run, observer
        self._max_batch, self._max_queue = max_batch, max_queue
        self._max_wait, self._idle_wait, self._return_share = max_wait, idle_wait, return_share
        self._preparers = ThreadPoolExecutor(prepare_threads, thread_name_prefix="prepare", initializer=prepare_setup)
        self._model_thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._ready: list[_Entry[Key, Prepared, Result]] = []
        self._wake = asyncio.Event()
        self._waiting: set[_Entry[Key, Prepared, Result]] = set()
        self._preparing = 0
        self._newest = 0.0
        self._seconds_an_item = self._seconds_a_call = 0.0
        self._return_by = 0.0
        """Until when the callers of the last batch are waited for, on the event loop's clock."""
        self._closed = False
        self._worker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self._work(), name="micro-batcher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the running call end; those still waiting get :class:`BatcherClosed`."""
        self._closed = True
        self._wake.set()
        if self._worker is not None:
            await self._worker
        for entry in self._waiting:
            if not entry.future.done():
                entry.future.set_exception(BatcherClosed("the batcher was closed"))
        self._preparers.shutdown(wait=False, cancel_futures=True)
        self._model_thread.shutdown(wait=False)

    async def submit(self, key: Key, items: Sequence[Item]) -> list[Result]:
        """Return the items' results, in order. All are admitted or none; cancelling the caller withdraws them.

        Raises:
            QueueFull: there is no room for all of them.
            BatcherClosed: the batcher is closing.
            Exception: whatever ``prepare`` raised for one of them or ``run`` for a batch with one of them; the
                others are withdrawn.
        """
        if self._closed or self._worker is None:
            raise BatcherClosed("the batcher is not running")
        if (excess := len(self._waiting) + len(items) - self._max_queue) > 0:
            raise QueueFull(len(self._waiting), max(1, math.ceil(excess * self._seconds_an_item)))
        loop = asyncio.get_running_loop()
        entries = [_Entry[Key, Prepared, Result](key, loop.create_future()) for _ in items]
        self._waiting.update(entries)
        self._report_queue()
        jobs = [self._start_preparing(entry, item) for entry, item in zip(entries, items, strict=True)]
        try:
            return list(await asyncio.gather(*(entry.future for entry in entries)))
        finally:
            for entry, job in zip(entries, jobs, strict=True):
                job.cancel()
                entry.future.cancel()
            self._leave_queue(entries)

    def _start_preparing(self, entry: _Entry[Key, Prepared, Result], item: Item) -> asyncio.Future[Prepared]:
        loop = asyncio.get_running_loop()
        job = loop.run_in_executor(self._preparers, self._prepare, item)
        self._preparing += 1

        def prepared(job: asyncio.Future[Prepared]) -> None:
            self._preparing -= 1
            self._wake.set()
            error = None if job.cancelled() else job.exception()
            if job.cancelled() or entry.future.done():
                return
            if error:
                entry.future.set_exception(error)
            else:
                entry.prepared, entry.ready_at = job.result(), loop.time()
                self._newest = entry.ready_at
                self._ready.append(entry)

        job.add_done_callback(prepared)
        return job

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := await self._next_batch():
            started = time.perf_counter()
            try:
                prepared = [cast(Prepared, entry.prepared) for entry in batch]
                results = await loop.run_in_executor(self._model_thread, self._run, batch[0].key, prepared)
                answers = list(zip(batch, results, strict=True))
            except Exception as error:
                for entry in batch:
                    if not entry.future.done():
                        entry.future.set_exception(error)
                continue
            self._note(len(batch), time.perf_counter() - started)
            self._return_by = loop.time() + min(self._max_wait, self._return_share * self._seconds_a_call)
            for entry, result in answers:
                if not entry.future.done():
                    entry.future.set_result(result)

    async def _next_batch(self) -> list[_Entry[Key, Prepared, Result]]:
        """Wait for the oldest item and for company of the same key; return an empty batch when the batcher closes."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            self._wake.clear()
            self._ready = [entry for entry in self._ready if not entry.future.done()]
            timeout = None
            if self._ready:
                oldest = self._ready[0]
                batch = [entry for entry in self._ready if entry.key == oldest.key][: self._max_batch]
                start_at = oldest.ready_at + self._max_wait
                if not self._preparing:
                    start_at = min(start_at, self._newest + self._idle_wait)
                timeout = max(start_at, self._return_by) - loop.time()
                if len(batch) == self._max_batch or timeout <= 0:
                    taken = set(map(id, batch))
                    self._ready = [entry for entry in self._ready if id(entry) not in taken]
                    self._leave_queue(batch)
                    return batch
            try:
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
            except TimeoutError:
                pass
        return []

    def _leave_queue(self, entries: Sequence[_Entry[Key, Prepared, Result]]) -> None:
        self._waiting.difference_update(entries)
        self._report_queue()

    def _report_queue(self) -> None:
        if self._observer:
            self._observer.queue_changed(len(self._waiting))

    def _note(self, size: int, seconds: float) -> None:
        self._seconds_an_item = _smoothed(self._seconds_an_item, seconds / size)
        self._seconds_a_call = _smoothed(self._seconds_a_call, seconds)
        if self._observer:
            self._observer.batch_finished(size, seconds)


def _smoothed(before: float, latest: float) -> float:
    return 0.8 * (before or latest) + 0.2 * latest
