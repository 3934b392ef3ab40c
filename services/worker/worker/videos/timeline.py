"""When each frame of a video is shown, and which packets must be decoded to see some of them.

A demuxer tells the presentation time of every packet without decoding any: one pass over the file, a few bytes a
frame kept. From it follows which frame is on screen at any time, and the least that must be decoded to have that
frame exactly: from the last key frame at or before it, both in file order and in presentation order. (The second
condition is for open groups of pictures, whose leading frames come after a key frame in the file but are shown
before it and refer to the group before.)
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

RESTART_PACKETS = 512
"""Presentation order never strays this far from file order (codecs reorder by 16 frames); if it does, the clock was
set back, as where recordings were joined byte by byte."""


@dataclass(frozen=True)
class Segment:
    """Packets ``start`` … ``stop − 1`` in file order: what to decode for some frames, beginning at a key frame."""

    start: int
    stop: int


@dataclass(frozen=True)
class Timeline:
    """The ``n`` packets of a stream in file order. Times are in units of ``time_base`` seconds.

    ``pts``: presentation times; ``key``: starts a group of pictures; ``shown``: not cut away by an edit list.
    ``times``: the shown frames' times in the order they are shown, and ``end``, when the last one leaves. ``exact``: a
    frame can be recognised by its packet's time; else (times missing, or set back midway) frames can only be counted,
    from the first.
    """

    pts: NDArray[np.int64]
    key: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    times: NDArray[np.int64]
    end: int
    time_base: Fraction
    exact: bool

    @classmethod
    def read(cls, packets: Iterable[Packet[VideoStream]], stream: VideoStream, *, timed: bool) -> Timeline:
        """Read all packets of one stream. ``timed``: the container keeps presentation times."""
        pts, dts, flags = array("q"), array("q"), bytearray()
        missing = dts_missing = False
        last, last_duration = -(2**62), 0
        for packet in packets:
            missing |= packet.pts is None
            dts_missing |= packet.dts is None
            pts.append(packet.pts or 0)
            dts.append(packet.dts or 0)
            flags.append(packet.is_keyframe | (not packet.is_discard) << 1)
            if pts[-1] >= last and not packet.is_discard:
                last, last_duration = pts[-1], packet.duration or last_duration
        time_base = stream.time_base or Fraction(1, 1000)
        marks = np.frombuffer(bytes(flags), dtype=np.uint8)
        shown = (marks & 2).astype(bool)
        interval = round(1 / (stream.average_rate or stream.guessed_rate or Fraction(25)) / time_base)
        if not missing:
            clock = np.array(pts, dtype=np.int64)
        elif not dts_missing:
            clock = np.array(dts, dtype=np.int64)
        else:
            clock = np.arange(len(pts), dtype=np.int64) * interval
        order = np.argsort(clock[shown], kind="stable")
        strays = len(order) and int(np.abs(order - np.arange(len(order))).max()) > RESTART_PACKETS
        times = clock[shown] if strays else clock[shown][order]
        return cls(
            pts=clock,
            key=(marks & 1).astype(bool),
            shown=shown,
            times=times,
            end=int(times.max()) + max(1, last_duration or interval) if len(times) else 0,
            time_base=time_base,
            exact=timed and not (missing or strays),
        )

    @property
    def duration(self) -> float:
        """Return the seconds from the first frame shown to the end of the last."""
        return float((self.end - int(self.times[0])) * self.time_base) if len(self.times) else 0.0

    def seconds(self, time: int) -> float:
        """Convert a time to seconds from the first frame shown."""
        return float((time - int(self.times[0])) * self.time_base)

    def count(self, every: Fraction) -> int:
        """Count the times 0, ``every``, 2·``every``, … seconds that lie before the end."""
        span = (self.end - int(self.times[0])) * self.time_base
        return max(1, -(-span // every))

    def ticks(self, every: Fraction, start: int) -> list[int]:
        """Return the times ``start``·``every``, (``start`` + 1)·``every``, … before the end, in time-base units.

        They are rounded down: a frame shown at or before a tick is shown at or before the exact time.
        """
        first, step = int(self.times[0]), every / self.time_base
        return [first + k * step.numerator // step.denominator for k in range(start, self.count(every))]

    def on_screen(self, ticks: Sequence[int]) -> list[int]:
        """Return the presentation time of the frame on screen at each tick: the greatest that is not after it."""
        found = np.searchsorted(self.times, np.array(ticks, dtype=np.int64), side="right") - 1
        return [int(time) for time in self.times[np.maximum(found, 0)]]

    def neighbours(self, shown: Sequence[int], gap: Fraction) -> list[int]:
        """Return, for each shown frame's time, that of the frame on screen ``gap`` seconds later.

        Where that is the same frame it is the next one; for the last frame, the one before it.
        """
        ordered = np.unique(self.times)
        at = np.searchsorted(ordered, np.array(shown, dtype=np.int64))
        later = np.searchsorted(ordered, ordered[at] + int(gap / self.time_base), side="right") - 1
        last = len(ordered) - 1
        chosen = np.where(at < last, np.minimum(np.maximum(later, at + 1), last), max(0, last - 1))
        return [int(time) for time in ordered[chosen]]

    def segments(self, wanted: Sequence[int]) -> Iterator[tuple[Segment, frozenset[int]]]:
        """Yield the least to decode for the frames with these ascending times, and the packets of just those.

        Segments come in file order and do not overlap.
        """
        shown = np.flatnonzero(self.shown)
        order = shown[np.argsort(self.pts[shown], kind="stable")]
        keys = np.flatnonzero(self.key)
        unique = np.unique(np.array(wanted, dtype=np.int64))
        packets = order[np.searchsorted(self.pts[order], unique)]
        spans = sorted((self._key_before(keys, int(packet)), int(packet)) for packet in packets)
        current: Segment | None = None
        targets: list[int] = []
        for start, packet in spans:
            if current and start < current.stop:
                current = Segment(current.start, max(current.stop, packet + 1))
                targets.append(packet)
                continue
            if current:
                yield current, frozenset(targets)
            current, targets = Segment(start, packet + 1), [packet]
        if current:
            yield current, frozenset(targets)

    def _key_before(self, keys: NDArray[np.int64], packet: int) -> int:
        for at in range(int(np.searchsorted(keys, packet, side="right")) - 1, -1, -1):
            if self.pts[keys[at]] <= self.pts[packet]:
                return int(keys[at])
        return 0
