"""Read the times of only those groups of pictures that hold some frames, by the container's own index.

MP4 and Matroska list their key frames, and libavformat seeks to them. So a frame every ten seconds of a video of hours
costs a group of pictures each, not all of the file. What is found is what reading everything finds, by the two facts of
every codec that :mod:`framesense.media.clock` begins with; where a file is not as its index says (cut off, joined,
wildly stamped) UnreliableIndexError says so, and everything has to be read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Self

import av
import numpy as np
from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framesense.media.clock import REORDERED, quick_interval, usual_interval
from framesense.media.packet_times import PacketTimes
from framesense.media.timeline import HOLE_SECONDS, Run, Timeline, longest_still

DECODING_TIMES = "mov,mp4,m4a,3gp,3g2,mj2"
"""The container whose index has decoding times; that of :data:`PRESENTATION_TIMES` has presentation times."""
PRESENTATION_TIMES = "matroska,webm"
LEAST_GROUPS = 6
"""Key frames below which all of a file is read at once."""


class UnreliableIndexError(Exception):
    """The file is not as its index says."""


@dataclass(frozen=True)
class _Window:
    """A part of a video: from the key frame with this number in the index until a time; None: the end of the file."""

    group: int
    start: int
    until: int | None


@dataclass(frozen=True)
class _Part:
    """What was read from one key frame on.

    ``seek``: its time in the index; ``last_key``: that of the last key frame read; ``until``: as of the last window.
    """

    seek: int
    last_key: int
    until: int | None
    timeline: Timeline


class GroupIndex:
    """The key frames of an opened video.

    ``times``: of all that its index lists, ``keys``: of the key frames among them, ascending.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, times: NDArray[np.int64], keys: NDArray[np.int64]
    ) -> None:
        self._container, self._stream, self.keys = container, stream, keys
        self._by_decoding = container.format.name == DECODING_TIMES
        # Matroska lists key frames alone.
        self._frames = len(times) if self._by_decoding else 0
        self._interval = usual_interval(np.diff(times), times) if self._by_decoding else 0
        self._times = times

    @classmethod
    def read(cls, container: InputContainer, stream: VideoStream) -> Self | None:
        """Read the container's index; None where it has none, or one that cannot be used."""
        if container.format.name not in (DECODING_TIMES, PRESENTATION_TIMES):
            return None
        with suppress(av.FFmpegError):
            container.seek(stream.start_time or 0, stream=stream)  # Matroska's index is read at the first seek.
        entries = list(stream.index_entries)
        keys = [(entry.timestamp, entry.pos) for entry in entries if entry.is_keyframe]
        if len(keys) < LEAST_GROUPS or any(a[0] >= b[0] or a[1] > b[1] for a, b in pairwise(keys)):
            return None
        times = np.array([entry.timestamp for entry in entries], dtype=np.int64)
        return cls(container, stream, times, np.array([time for time, _ in keys], dtype=np.int64))

    def outline(self) -> Timeline:
        """Return when the video begins and ends and where it has holes, with the packets of its beginning alone.

        Raises UnreliableIndexError, av.FFmpegError.
        """
        last = len(self.keys) - 1
        first = int(self.keys[0])
        head, *_ = self._read([_Window(0, first, first)])
        base = self._stream.time_base or Fraction(1, 1000)
        # Decoding times are not quite the presentation times, so half of a hole is looked at too.
        pauses = np.flatnonzero(np.diff(self.keys) > round(HOLE_SECONDS / 2 / base))
        windows = [
            _Window(int(group), int(self.keys[group]), int(self.keys[group + 1]) + self._offset(head))
            for group in pauses
            if group < last - 1
        ]
        *paused, tail = self._read([*windows, _Window(last - 1, int(self.keys[last - 1]), None)])
        spans = _spans(head.timeline, [*paused, tail], tail.timeline)
        start, end = int(head.timeline.times[0]), tail.timeline.end
        covered = sum(stop - begin for begin, stop in spans)
        frames = self._frames or round((self._stream.average_rate or Fraction(25)) * covered * base)
        if not start < end:
            raise UnreliableIndexError("it ends before it begins")
        return head.timeline.outlined(spans, end, frames, self._quickest(head.timeline), Run(0, head.seek))

    def _quickest(self, head: Timeline) -> int:
        if self._by_decoding:
            return quick_interval(self._times, head.interval)
        rate = self._stream.average_rate
        return min(head.quickest, max(1, round(1 / rate / head.time_base))) if rate else head.quickest

    def located(self, outline: Timeline, ticks: Sequence[int], margin: int) -> Timeline:
        """Return the outline with the packets that decide what is on screen at ascending times, and ``margin`` later.

        Raises UnreliableIndexError, av.FFmpegError.
        """
        offset = int(outline.pts[0]) - int(self.keys[0])
        # The last frame's neighbour is the one before it, which may lie in the group before.
        last = len(self.keys) - 2
        windows = [_Window(min(last, self._group(tick - offset)), tick, tick + margin) for tick in ticks]
        return Timeline.combined(outline, [(part.seek, part.timeline) for part in self._read(windows)])

    def _offset(self, head: _Part) -> int:
        return int(head.timeline.pts[0]) - int(self.keys[0])

    def _group(self, time: int) -> int:
        return max(0, int(np.searchsorted(self.keys, time, side="right")) - 1)

    def _read(self, windows: Sequence[_Window]) -> list[_Part]:
        """Read windows in order; those that touch come out as one."""
        pending, parts = deque(windows), list[_Part]()
        while pending:
            window = pending.popleft()
            group, part = window.group, self._read_from(window.group, window.until, pending)
            while int(part.timeline.pts[0]) > window.start and group:
                group -= 1
                if parts and parts[-1].last_key >= self.keys[group]:
                    group = int(np.searchsorted(self.keys, parts.pop().seek))
                part = self._read_from(group, part.until, pending)
            parts.append(part)
        return parts

    def _read_from(self, group: int, until: int | None, pending: deque[_Window]) -> _Part:
        """Read from a key frame on until no packet can follow that is shown up to ``until``, nor the next after it.

        Takes up those windows of ``pending`` that begin on the way.
        """
        seek, last_key, later, following = int(self.keys[group]), 0, 0, None
        times = PacketTimes()
        for packet in packets_from(self._container, self._stream, seek):
            if packet.pts is None:
                raise UnreliableIndexError("a packet has no time")
            if packet.is_keyframe:
                last_key = self._time(packet)
                while pending and self.keys[pending[0].group] <= last_key:
                    more = pending.popleft().until
                    until = None if more is None or until is None else max(until, more)
                    later, following = 0, None
            if until is not None and (later > REORDERED or self._is_past(packet, following)):
                break
            times.add(packet)
            if until is not None and packet.pts > until:
                later += 1
                following = packet.pts if following is None else min(following, packet.pts)
        timeline = Timeline.of(times, self._stream, self._interval)
        if timeline.mended or not timeline.exact or not len(timeline.times):
            raise UnreliableIndexError("its times are odd")
        return _Part(seek, last_key, until, timeline)

    def _is_past(self, packet: Packet[Any], following: int | None) -> bool:
        """Tell whether all packets from this one on are shown after the next frame after a window."""
        return following is not None and packet.dts is not None and packet.dts > following

    def _time(self, packet: Packet[Any]) -> int:
        """Return a key frame's time in the index."""
        time = packet.dts if self._by_decoding else packet.pts
        if time is None or time > self.keys[-1]:
            raise UnreliableIndexError("it lacks key frames at the end")
        return time


def packets_from(container: InputContainer, stream: VideoStream, seek: int) -> Iterator[Packet[VideoStream]]:
    """Yield a stream's packets from the key frame with this time in the index on.

    Raises UnreliableIndexError where there is none, av.FFmpegError.
    """
    by_decoding = container.format.name == DECODING_TIMES
    container.seek(seek, stream=stream)
    found = False
    for packet in container.demux(stream):
        if not packet.size:
            continue
        time = packet.dts if by_decoding else packet.pts
        found = found or (packet.is_keyframe and time == seek)
        if found:
            yield packet
        elif packet.is_keyframe and time is not None and time > seek:
            break
    if not found:
        raise UnreliableIndexError("there is no key frame where it points")


def _spans(head: Timeline, parts: Sequence[_Part], tail: Timeline) -> tuple[tuple[int, int], ...]:
    """Return from when to when there are frames. ``parts``: where there may be holes."""
    spans, begin = [], int(head.times[0])
    longest = longest_still(head.interval, head.time_base)
    for part in parts:
        times = part.timeline.times
        for before in np.flatnonzero(np.diff(times) > longest):
            spans.append((begin, int(times[before]) + head.interval))
            begin = int(times[before + 1])
    hold = tail.end - int(tail.times[-1])
    return (*spans, (begin, int(tail.times[-1]) + (hold if hold <= longest else head.interval)))
