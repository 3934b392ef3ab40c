"""How well found stretches of time fit the events: one-to-one matching with tolerance, and frame AP."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.moments.cases import Event
from benchmarks.novelty_bench import average_precision

TOLERANCE = 0.5
"""Seconds; the sampling interval where that is longer."""

Stretch = tuple[float, float]
"""From, to: seconds."""


@dataclass(frozen=True)
class Counts:
    hits: int = 0
    misses: int = 0
    false: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.hits + other.hits,
            self.misses + other.misses,
            self.false + other.false,
            self.seconds + other.seconds,
        )

    @property
    def precision(self) -> float:
        return self.hits / (self.hits + self.false) if self.hits + self.false else 1.0

    @property
    def recall(self) -> float:
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 1.0

    @property
    def f1(self) -> float:
        total = 2 * self.hits + self.misses + self.false
        return 2 * self.hits / total if total else 1.0

    @property
    def false_a_minute(self) -> float:
        return 60 * self.false / self.seconds if self.seconds else 0.0


def count(found: Sequence[Stretch], events: Sequence[Event], duration: float, tolerance: float) -> Counts:
    """Count the events that were found, those that were missed, and the false stretches.

    A stretch finds one event at most, and an event is found by one at most: a second moment of one event is false. The
    matching is the largest there is (augmenting paths; Kuhn, 1955).
    """
    reach = [
        [
            number
            for number, event in enumerate(events)
            if begin <= event.end + tolerance and end >= event.start - tolerance
        ]
        for begin, end in found
    ]
    owners: dict[int, int] = {}

    def assign(stretch: int, tried: set[int]) -> bool:
        for event in reach[stretch]:
            if event in tried:
                continue
            tried.add(event)
            if event not in owners or assign(owners[event], tried):
                owners[event] = stretch
                return True
        return False

    for stretch in range(len(found)):
        assign(stretch, set())
    return Counts(len(owners), len(events) - len(owners), len(found) - len(owners), duration)


def frame_ap(times: NDArray[np.float64], scores: NDArray[np.float64], events: Sequence[Event], every: float) -> float:
    """Average precision of the frames that show an event; of a cut, of the frames right after it. NaN without any."""
    shown = np.zeros(len(times), dtype=bool)
    for event in events:
        shown |= (times >= event.start - 1e-6) & (times <= max(event.end, event.start + every) + 1e-6)
    return average_precision(shown, scores) if shown.any() else float("nan")
