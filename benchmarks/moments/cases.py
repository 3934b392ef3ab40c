"""What a case is, and the parts of the bench: one to choose by, one to check on, one to report on."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from benchmarks.moments.footage import FPS, Picture, Shot, compressed


class Kind(StrEnum):
    FIXED = "fixed camera"
    CUTS = "cuts"
    SPLICES = "splices"
    GRADUAL = "gradual"
    QUIET = "quiet"


class Part(StrEnum):
    """Photos, clips, objects and seeds of the parts differ.

    Constants were chosen on the first, misses were read and two rules made on the second, and on the third nothing was.
    The third needs photos of a Debian package: ``apt-get install lomiri-wallpapers-16.04``.
    """

    DEVELOPMENT = "development"
    VALIDATION = "validation"
    HELD_OUT = "held-out"


@dataclass(frozen=True)
class Event:
    """Seconds; a cut starts and ends at the same time."""

    start: float
    end: float


@dataclass(frozen=True)
class Case:
    """``group``: what is told apart within a kind, such as an object's size."""

    kind: Kind
    name: str
    group: str
    duration: float
    shot: Shot
    events: tuple[Event, ...] = ()
    crf: int | None = None
    """How coarse the H.264 is that the footage goes through; None: none."""

    @cached_property
    def footage(self) -> list[Picture]:
        """All frames, FPS a second."""
        pictures = [self.shot(number / FPS) for number in range(round(self.duration * FPS))]
        return pictures if self.crf is None else compressed(pictures, self.crf, group=20)


@dataclass(frozen=True)
class Recording:
    """A case as it is measured: sampled pictures with their times, all footage for those who need it."""

    case: Case
    every: float
    times: np.ndarray
    pictures: list[Picture]


def sample(case: Case, every: float) -> Recording:
    """Take the frames on screen at 0, ``every``, 2 · ``every``, … seconds before the end, as the product does."""
    ticks = np.arange(0, case.duration - 1e-9, every)
    indices = np.minimum((ticks * FPS + 1e-6).astype(int), len(case.footage) - 1)
    return Recording(case, every, indices / FPS, [case.footage[index] for index in indices])


def of_kind(cases: Iterable[Case], kind: Kind) -> list[Case]:
    return [case for case in cases if case.kind is kind]
