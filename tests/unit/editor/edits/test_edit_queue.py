"""One edit after another: order, room, leaving at any time, and what is left to the second thread."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from editor.edits.edit_queue import Line, LineClosed, LineFull, Ticket
from editor.models.base import Cancelled

Work = Callable[[Ticket[str]], None]


@pytest.fixture
async def line() -> AsyncIterator[Line[str]]:
    made: Line[str] = Line(2)
    yield made
    await made.close()


class Held:
    """Work that waits at a gate, checking now and then."""

    def __init__(self, name: str = "held") -> None:
        self.name, self.begun, self.gate = name, threading.Event(), threading.Event()

    def __call__(self, ticket: Ticket[str]) -> None:
        self.begun.set()
        while not self.gate.wait(0.01):
            ticket.check()
        ticket.emit(self.name)


async def all_of(ticket: Ticket[str]) -> list[str]:
    return [event async for event in ticket.events(60) if event is not None]


def emitting(*events: str) -> Work:
    def work(ticket: Ticket[str]) -> None:
        for event in events:
            ticket.emit(event)

    return work


async def test_events_come_in_order_and_end(line: Line[str]) -> None:
    assert await all_of(line.enter(emitting("one", "two"))) == ["one", "two"]
    assert line.waiting == 0


async def test_first_come_first_served(line: Line[str]) -> None:
    served: list[str] = []
    held = Held()
    tickets = [line.enter(held), line.enter(lambda _: served.append("a")), line.enter(lambda _: served.append("b"))]
    assert line.waiting == 2
    held.gate.set()
    for ticket in tickets:
        await all_of(ticket)
    assert served == ["a", "b"]


async def test_a_full_line_turns_away_and_says_when_to_come_back(line: Line[str]) -> None:
    held = Held()
    tickets = [line.enter(held), line.enter(emitting()), line.enter(emitting())]
    with pytest.raises(LineFull) as full:
        line.enter(emitting())
    assert (full.value.waiting, full.value.retry_after) == (2, 1)
    held.gate.set()
    for ticket in tickets:
        await all_of(ticket)
    assert await all_of(line.enter(emitting("room"))) == ["room"]


async def test_who_leaves_while_waiting_never_runs_and_makes_room(line: Line[str]) -> None:
    held, ran = Held(), threading.Event()
    first = line.enter(held)
    second = line.enter(lambda _: ran.set())
    line.enter(emitting())
    line.leave(second)
    line.leave(second)
    third = line.enter(emitting("third"))
    held.gate.set()
    assert await all_of(first) == ["held"]
    assert await all_of(third) == ["third"]
    assert not ran.is_set()


async def test_who_leaves_midway_ends_the_work_at_its_next_check(line: Line[str]) -> None:
    held = Held()
    ticket = line.enter(held)
    await asyncio.to_thread(held.begun.wait)
    line.leave(ticket)
    with pytest.raises(Cancelled):
        await all_of(ticket)
    assert await all_of(line.enter(emitting("next"))) == ["next"]
    assert not held.gate.is_set()


async def test_what_the_work_raises_its_reader_gets_and_nobody_else(line: Line[str]) -> None:
    def broken(ticket: Ticket[str]) -> None:
        ticket.emit("so far")
        raise ValueError("broken")

    ticket = line.enter(broken)
    with pytest.raises(ValueError, match="broken"):
        await all_of(ticket)
    assert await all_of(line.enter(emitting("well"))) == ["well"]


async def test_signs_of_silence(line: Line[str]) -> None:
    held = Held()
    ticket = line.enter(held)
    seen: list[str | None] = []
    async for event in ticket.events(0.01):
        seen.append(event)
        if len(seen) == 3:
            held.gate.set()
    assert seen[:3] == [None] * 3 and seen[-1] == "held"


async def test_finishing_is_in_order_and_the_model_goes_on_meanwhile(line: Line[str]) -> None:
    gate, next_one = threading.Event(), threading.Event()

    def work(ticket: Ticket[str]) -> None:
        ticket.finish(lambda: _emit_after(gate, ticket, "first"))
        ticket.finish(lambda: ticket.emit("second"))

    ticket = line.enter(work)
    other = line.enter(lambda _: next_one.set())
    await asyncio.to_thread(next_one.wait)
    gate.set()
    assert await all_of(ticket) == ["first", "second"]
    assert await all_of(other) == []


def _emit_after(gate: threading.Event, ticket: Ticket[str], event: str) -> None:
    gate.wait()
    ticket.emit(event)


async def test_a_failure_in_finishing_ends_the_work(line: Line[str]) -> None:
    taken: list[int] = []

    def fail() -> None:
        raise OSError("the disk is full")

    def work(ticket: Ticket[str]) -> None:
        ticket.finish(fail)
        for index in range(10_000_000):
            taken.append(index)
            ticket.check()

    with pytest.raises(OSError, match="disk is full"):
        await all_of(line.enter(work))
    assert len(taken) < 10_000_000


async def test_closing_breaks_off_and_tells_all(line: Line[str]) -> None:
    held = Held()
    tickets = [line.enter(held), line.enter(emitting("never"))]
    await asyncio.to_thread(held.begun.wait)
    await line.close()
    for ticket in tickets:
        with pytest.raises(LineClosed):
            await all_of(ticket)
    with pytest.raises(LineClosed):
        line.enter(emitting())
    await line.close()
