"""Many callers, one call: what is mixed, what is kept apart, who hears of what."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from framesense.serving.batching import BatcherClosed, MicroBatcher, QueueFull


class Model:
    """Doubles numbers, and notes every call. ``gate`` holds calls back while it is clear."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []
        self.threads: set[int] = set()
        self.running = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def prepare(self, item: int) -> int:
        if item < 0:
            raise ValueError(f"{item} cannot be prepared")
        return item

    def run(self, key: str, items: list[int]) -> list[int]:
        self.calls.append((key, items))
        self.threads.add(threading.get_ident())
        self.running.set()
        assert self.gate.wait(timeout=30)
        if 13 in items:
            raise RuntimeError("13")
        return [2 * item for item in items]

    def hold(self) -> None:
        self.gate.clear()
        self.running.clear()

    async def holds(self) -> None:
        """Waits until a call has begun."""
        assert await asyncio.to_thread(self.running.wait, 30)


class Observer:
    def __init__(self) -> None:
        self.queue: list[int] = []
        self.sizes: list[int] = []

    def queue_changed(self, waiting: int) -> None:
        self.queue.append(waiting)

    def batch_finished(self, size: int, seconds: float) -> None:
        assert seconds >= 0
        self.sizes.append(size)


@pytest.fixture
def model() -> Model:
    return Model()


def batcher(model: Model, **options: object) -> MicroBatcher[str, int, int, int]:
    return MicroBatcher(
        model.prepare, model.run, **{"max_batch": 8, "max_wait": 5.0, "idle_wait": 0.05, "max_queue": 100, **options}
    )


async def settle() -> None:
    """Lets preparations end and the batcher see them."""
    for _ in range(5):
        await asyncio.sleep(0.01)


async def test_concurrent_callers_share_calls_and_get_their_own_results(model: Model) -> None:
    async with batcher(model) as batches:
        results = await asyncio.gather(*(batches.submit("a", [n]) for n in range(8)))
    assert results == [[2 * n] for n in range(8)]
    assert [sorted(items) for _, items in model.calls] == [list(range(8))]


async def test_a_caller_with_many_items_gets_them_in_order(model: Model) -> None:
    async with batcher(model, max_batch=4, prepare_threads=3) as batches:
        assert await batches.submit("a", range(50, 80)) == [2 * n for n in range(50, 80)]
    assert all(len(items) <= 4 for _, items in model.calls)
    assert count_items(model.calls) == 30


def count_items(calls: Sequence[tuple[str, list[int]]]) -> int:
    return sum(len(items) for _, items in calls)


async def test_no_items_no_call(model: Model) -> None:
    async with batcher(model) as batches:
        assert await batches.submit("a", []) == []
    assert model.calls == []


async def test_a_lone_item_does_not_wait_for_company_that_is_not_coming(model: Model) -> None:
    async with batcher(model, max_wait=3600.0) as batches:
        assert await asyncio.wait_for(batches.submit("a", [1]), timeout=30) == [2]


async def test_callers_who_take_turns_come_together() -> None:
    """One asks while the other is answered: were the other not waited for, they would take turns for ever."""
    sizes: list[int] = []
    called = threading.Event()

    def run(key: str, items: list[int]) -> list[int]:
        sizes.append(len(items))
        called.set()
        time.sleep(0.05)
        return items

    async def caller(batches: MicroBatcher[str, int, int, int]) -> None:
        for number in range(4):
            await batches.submit("a", [number])

    async def late_caller(batches: MicroBatcher[str, int, int, int]) -> None:
        await asyncio.to_thread(called.wait, 30)
        await caller(batches)

    async with MicroBatcher[str, int, int, int](
        lambda item: item, run, max_batch=2, max_wait=3.0, max_queue=9, return_share=1000
    ) as batches:
        await asyncio.gather(caller(batches), late_caller(batches))
    assert sizes == [1, 2, 2, 2, 1]


async def test_a_batch_starts_after_max_wait_though_more_is_being_prepared(model: Model) -> None:
    unprepared = threading.Event()

    def prepare(item: int) -> int:
        assert item != 2 or unprepared.wait(timeout=30)
        return item

    batches = MicroBatcher[str, int, int, int](prepare, model.run, max_batch=8, max_wait=0.02, max_queue=9)
    async with batches:
        slow = asyncio.create_task(batches.submit("a", [2]))
        assert await asyncio.wait_for(batches.submit("a", [1]), timeout=20) == [2]
        assert not slow.done()
        unprepared.set()
        assert await slow == [4]


async def test_keys_are_never_mixed_and_the_oldest_goes_first(model: Model) -> None:
    async with batcher(model, prepare_threads=1) as batches:
        model.hold()
        first = asyncio.create_task(batches.submit("a", [0]))
        await model.holds()
        rest = asyncio.gather(*(batches.submit(key, [n]) for n, key in enumerate("baabca", start=1)))
        await settle()
        model.gate.set()
        assert await first == [0]
        assert await rest == [[2 * n] for n in range(1, 7)]
    assert model.calls == [("a", [0]), ("b", [1, 4]), ("a", [2, 3, 6]), ("c", [5])]


async def test_the_model_is_called_on_one_thread_that_is_not_the_event_loops(model: Model) -> None:
    async with batcher(model, max_batch=1) as batches:
        await asyncio.gather(*(batches.submit("a", [n]) for n in range(6)))
    assert len(model.threads) == 1
    assert threading.get_ident() not in model.threads


async def test_preparing_goes_on_while_the_model_runs() -> None:
    prepared_during_call = threading.Event()

    def prepare(item: int) -> int:
        if item == 2:
            prepared_during_call.set()
        return item

    def run(key: str, items: list[int]) -> list[int]:
        if 1 in items:  # ends only if the other item is prepared meanwhile
            assert prepared_during_call.wait(timeout=30)
        return items

    async with MicroBatcher[str, int, int, int](prepare, run, max_batch=1, max_wait=0, max_queue=9) as batches:
        first = asyncio.create_task(batches.submit("a", [1]))
        await asyncio.sleep(0.05)
        assert await batches.submit("a", [2]) == [2]
        assert await first == [1]


async def test_a_full_queue_refuses_all_items_at_once_and_recovers(model: Model) -> None:
    async with batcher(model, max_batch=2, max_queue=4) as batches:
        model.hold()
        running = asyncio.create_task(batches.submit("a", [0, 1]))
        await model.holds()
        waiting = asyncio.create_task(batches.submit("a", [2, 3, 4]))
        await settle()
        with pytest.raises(QueueFull) as refused:
            await batches.submit("a", [5, 6])
        assert refused.value.waiting == 3
        assert refused.value.retry_after >= 1
        last = asyncio.create_task(batches.submit("a", [7]))
        await settle()
        with pytest.raises(QueueFull):
            await batches.submit("a", [8])
        model.gate.set()
        assert [await running, await waiting, await last] == [[0, 2], [4, 6, 8], [14]]
        assert await batches.submit("a", [5, 6, 7, 8]) == [10, 12, 14, 16]
    assert 8 not in [item for _, items in model.calls[:-2] for item in items]


async def test_cancelled_callers_items_are_dropped_before_the_call(model: Model) -> None:
    async with batcher(model) as batches:
        model.hold()
        first = asyncio.create_task(batches.submit("a", [0]))
        await model.holds()
        leaving = asyncio.create_task(batches.submit("a", [1, 2]))
        staying = asyncio.create_task(batches.submit("a", [3]))
        await settle()
        leaving.cancel()
        await settle()
        model.gate.set()
        assert await first == [0]
        assert await staying == [6]
        with pytest.raises(asyncio.CancelledError):
            await leaving
    assert model.calls == [("a", [0]), ("a", [3])]


async def test_cancelling_makes_room(model: Model) -> None:
    async with batcher(model, max_queue=2) as batches:
        model.hold()
        first = asyncio.create_task(batches.submit("a", [0]))
        await model.holds()
        leaving = asyncio.create_task(batches.submit("a", [1, 2]))
        await settle()
        leaving.cancel()
        await asyncio.wait((leaving,))
        staying = asyncio.create_task(batches.submit("a", [3, 4]))
        await settle()
        model.gate.set()
        assert [await first, await staying] == [[0], [6, 8]]


async def test_an_exception_reaches_its_batch_only(model: Model) -> None:
    async with batcher(model, max_batch=2, prepare_threads=1) as batches:
        jobs = [batches.submit("a", [n]) for n in (12, 13, 14, 15)]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert [str(result) for result in results] == ["13", "13", "[28]", "[30]"]
        assert await batches.submit("a", [1]) == [2]


async def test_an_item_that_cannot_be_prepared_reaches_its_caller_only(model: Model) -> None:
    async with batcher(model) as batches:
        bad, good = await asyncio.gather(
            batches.submit("a", [1, -1, 3]), batches.submit("a", [4]), return_exceptions=True
        )
    assert str(bad) == "-1 cannot be prepared"
    assert good == [8]
    assert all(-1 not in items for _, items in model.calls)


async def test_a_model_that_answers_too_few_is_an_error(model: Model) -> None:
    batches = MicroBatcher[str, int, int, int](
        model.prepare, lambda key, items: items[1:], max_batch=2, max_wait=0, max_queue=2
    )
    async with batches:
        with pytest.raises(ValueError, match="shorter"):
            await batches.submit("a", [1, 2])


async def test_closing_ends_the_running_call_and_tells_those_who_wait(model: Model) -> None:
    batches = batcher(model, max_batch=1)
    async with batches:
        model.hold()
        running = asyncio.create_task(batches.submit("a", [1]))
        await model.holds()
        waiting = asyncio.create_task(batches.submit("a", [2]))
        await settle()
        closing = asyncio.create_task(batches.__aexit__(None, None, None))
        await settle()
        with pytest.raises(BatcherClosed):
            await batches.submit("a", [3])
        model.gate.set()
        await closing
        assert await running == [2]
        with pytest.raises(BatcherClosed):
            await waiting
    assert model.calls == [("a", [1])]


async def test_the_observer_hears_of_the_queue_and_of_every_batch(model: Model) -> None:
    observer = Observer()
    async with batcher(model, max_batch=3, observer=observer) as batches:
        await batches.submit("a", range(7))
    assert max(observer.queue) == 7
    assert observer.queue[-1] == 0
    assert sum(observer.sizes) == 7
    assert max(observer.sizes) == 3


@pytest.mark.parametrize("bad", [{"max_batch": 0}, {"max_queue": 0}, {"prepare_threads": 0}, {"max_wait": -1.0}])
def test_senseless_limits(model: Model, bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least"):
        batcher(model, **bad)
