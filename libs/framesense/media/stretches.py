"""A part of a video, named by its times."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stretch:
    """A part of a video, in seconds as a player shows: ``start`` ≤ t ≤ ``end``."""

    start: float
    end: float
