"""One edit after another: order, room, leaving at any time, and what is left to the second thread."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from editor.edits.edit_queue import EditQueue, EditTask, QueueClosed, QueueFull
from editor.models.base import Cancelled

Work = Callable[[EditTask[str]], None]


@pytest.fixture
async def line() -> AsyncIterator[EditQueue[str]]:
    made: EditQueue[str] = EditQueue(2)
    yield made
    await made.close()


class Held:
    """Work that waits at a gate, checking now and then."""

    def __init__(self, name: str = "held") -> None:
        self.name, self.begun, self.gate = name, threading.Event(), threading.Event()

    def __call__(self, task: EditTask[str]) -> None:
        self.begun.set()
        while not self.gate.wait(0.01):
            task.check()
        task.emit(self.name)


async def all_of(task: EditTask[str]) -> list[str]:
    return [event async for event in task.events(60) if event is not None]


def emitting(*events: str) -> Work:
    def work(task: EditTask[str]) -> None:
        for event in events:
            task.emit(event)

    return work


async def test_events_come_in_order_and_end(line: EditQueue[str]) -> None:
    assert await all_of(line.submit(emitting("one", "two"))) == ["one", "two"]
    assert line.waiting == 0


async def test_first_come_first_served(line: EditQueue[str]) -> None:
    served: list[str] = []
    held = Held()
    tickets = [line.submit(held), line.submit(lambda _: served.append("a")), line.submit(lambda _: served.append("b"))]
    assert line.waiting == 2
    held.gate.set()
    for task in tickets:
        await all_of(task)
    assert served == ["a", "b"]


async def test_a_full_line_turns_away_and_says_when_to_come_back(line: EditQueue[str]) -> None:
    held = Held()
    tickets = [line.submit(held), line.submit(emitting()), line.submit(emitting())]
    with pytest.raises(QueueFull) as full:
        line.submit(emitting())
    assert (full.value.waiting, full.value.retry_after) == (2, 1)
    held.gate.set()
    for task in tickets:
        await all_of(task)
    assert await all_of(line.submit(emitting("room"))) == ["room"]


async def test_who_leaves_while_waiting_never_runs_and_makes_room(line: EditQueue[str]) -> None:
    held, ran = Held(), threading.Event()
    first = line.submit(held)
    second = line.submit(lambda _: ran.set())
    line.submit(emitting())
    line.cancel(second)
    line.cancel(second)
    third = line.submit(emitting("third"))
    held.gate.set()
    assert await all_of(first) == ["held"]
    assert await all_of(third) == ["third"]
    assert not ran.is_set()


async def test_who_leaves_midway_ends_the_work_at_its_next_check(line: EditQueue[str]) -> None:
    held = Held()
    task = line.submit(held)
    await asyncio.to_thread(held.begun.wait)
    line.cancel(task)
    with pytest.raises(Cancelled):
        await all_of(task)
    assert await all_of(line.submit(emitting("next"))) == ["next"]
    assert not held.gate.is_set()


async def test_what_the_work_raises_its_reader_gets_and_nobody_else(line: EditQueue[str]) -> None:
    def broken(task: EditTask[str]) -> None:
        task.emit("so far")
        raise ValueError("broken")

    task = line.submit(broken)
    with pytest.raises(ValueError, match="broken"):
        await all_of(task)
    assert await all_of(line.submit(emitting("well"))) == ["well"]


async def test_signs_of_silence(line: EditQueue[str]) -> None:
    held = Held()
    task = line.submit(held)
    seen: list[str | None] = []
    async for event in task.events(0.01):
        seen.append(event)
        if len(seen) == 3:
            held.gate.set()
    assert seen[:3] == [None] * 3 and seen[-1] == "held"


async def test_finishing_is_in_order_and_the_model_goes_on_meanwhile(line: EditQueue[str]) -> None:
    gate, next_one = threading.Event(), threading.Event()

    def work(task: EditTask[str]) -> None:
        task.finish(lambda: _emit_after(gate, task, "first"))
        task.finish(lambda: task.emit("second"))

    task = line.submit(work)
    other = line.submit(lambda _: next_one.set())
    await asyncio.to_thread(next_one.wait)
    gate.set()
    assert await all_of(task) == ["first", "second"]
    assert await all_of(other) == []


def _emit_after(gate: threading.Event, task: EditTask[str], event: str) -> None:
    gate.wait()
    task.emit(event)


async def test_a_failure_in_finishing_ends_the_work(line: EditQueue[str]) -> None:
    taken: list[int] = []

    def fail() -> None:
        raise OSError("the disk is full")

    def work(task: EditTask[str]) -> None:
        task.finish(fail)
        for index in range(10_000_000):
            taken.append(index)
            task.check()

    with pytest.raises(OSError, match="disk is full"):
        await all_of(line.submit(work))
    assert len(taken) < 10_000_000


async def test_closing_breaks_off_and_tells_all(line: EditQueue[str]) -> None:
    held = Held()
    tickets = [line.submit(held), line.submit(emitting("never"))]
    await asyncio.to_thread(held.begun.wait)
    await line.close()
    for task in tickets:
        with pytest.raises(QueueClosed):
            await all_of(task)
    with pytest.raises(QueueClosed):
        line.submit(emitting())
    await line.close()
