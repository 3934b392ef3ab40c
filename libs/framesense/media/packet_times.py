"""The times of a stream's packets, as its file carries them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from av import Packet
from av.stream import Stream
from numpy.typing import NDArray

from framesense.media.clock import REORDERED

FARTHEST = 2**60
"""Times beyond this, before or after 0, are none: damage makes them, and sums of them do not fit into 64 bits."""


def known_time(time: int | None) -> int | None:
    """Return a packet's time, None for one that cannot be meant."""
    return time if time is not None and abs(time) < FARTHEST else None


class PacketTimes:
    """Collect the times of packets in file order, in the stream's time base, a few bytes each.

    ``last_duration``: of the packet that is shown last, as far as it says one. ``joints``: the numbers of the packets
    with which another recording begins.
    """

    def __init__(self) -> None:
        self._pts, self._dts, self._durations, self._flags = array("q"), array("q"), array("q"), bytearray()
        self.pts_missing = self._gaps = False
        self._last, self.last_duration = -(2**62), 0
        self._stream: Stream | None = None
        self._first_dts: int | None = None
        self.joints: list[int] = []

    @classmethod
    def read(cls, packets: Iterable[Packet[Any]]) -> Self:
        """Read the times of all packets."""
        times = cls()
        for packet in packets:
            times.add(packet)
        return times

    def add(self, packet: Packet[Any]) -> None:
        """Append a packet's times."""
        if self._stream is not None and packet.stream is not self._stream:
            self.joints.append(len(self))
        self._stream = packet.stream
        known_pts, dts = known_time(packet.pts), known_time(packet.dts)
        self.pts_missing |= known_pts is None
        if dts is not None:
            self._first_dts = len(self) if self._first_dts is None else self._first_dts
        elif self._first_dts is not None or len(self) >= REORDERED:
            self._gaps = True
        pts = known_pts or 0
        self._pts.append(pts)
        self._dts.append(dts or 0)
        self._durations.append(packet.duration or 0)
        self._flags.append(packet.is_keyframe | (not packet.is_discard) << 1 | packet.is_corrupt << 2)
        if pts >= self._last and not packet.is_discard:
            self._last, self.last_duration = pts, packet.duration or self.last_duration

    def __len__(self) -> int:
        """Return how many packets there are."""
        return len(self._pts)

    @property
    def dts_missing(self) -> bool:
        """Whether packets lack decoding times, other than the first few."""
        return self._gaps or self._first_dts is None

    @property
    def pts(self) -> NDArray[np.int64]:
        """Presentation times, 0 where they are missing."""
        return np.array(self._pts, dtype=np.int64)

    @property
    def dts(self) -> NDArray[np.int64]:
        """Decoding times, 0 where they are missing.

        Of Matroska libavformat does not know those of the first few packets: they are one unit apart before the next.
        """
        times = np.array(self._dts, dtype=np.int64)
        first = self._first_dts or 0
        times[:first] = times[first : first + 1] - np.arange(first, 0, -1)
        return times

    @property
    def durations(self) -> NDArray[np.int64]:
        """Durations, without those of packets that say none."""
        lengths = np.array(self._durations, dtype=np.int64)
        return lengths[lengths > 0]

    @property
    def key(self) -> NDArray[np.bool_]:
        """Whether each packet starts a group of pictures."""
        return (self._marks & 1).astype(bool)

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Whether each packet's frame is shown: it is not cut away by an edit list."""
        return (self._marks & 2).astype(bool)

    @property
    def corrupt(self) -> int:
        """How many packets lack parts, as their container tells.

        A joint, which a key frame follows, looks like a loss in one of the two packets before it: they are not counted.
        """
        lacking = (self._marks & 4).astype(bool)
        joint = np.append(self.key, [False, False])
        return int(np.count_nonzero(lacking & ~joint[1:-1] & ~joint[2:]))

    @property
    def _marks(self) -> NDArray[np.uint8]:
        return np.frombuffer(bytes(self._flags), dtype=np.uint8)
