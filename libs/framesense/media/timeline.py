"""When each frame of a video is shown, and which packets must be decoded to see some of them.

A demuxer tells the presentation time of every packet without decoding any: one pass over the file, a few bytes a
frame kept. From it follows which frame is on screen at any time, and the least that must be decoded to have that
frame exactly: from the last key frame at or before it, both in file order and in presentation order. (The second
condition is for open groups of pictures, whose leading frames come after a key frame in the file but are shown
before it and refer to the group before.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from av import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framesense.media.clock import Clock, mend_clock, quick_interval, spread_out, usual_interval
from framesense.media.packet_times import PacketTimes
from framesense.media.streams import is_truncated

HOLE_SECONDS = 60.0
"""A frame that stays for longer, and for much longer than is usual in its video, is followed by a hole: nothing was
recorded there."""
HOLE_INTERVALS = 20
"""How many times the usual interval a hole is at least."""
TELLING_FRAMES = 8
"""Frames whose times tell how fast they come; of fewer their durations do."""
FROM_ZERO = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
"""Containers whose times browsers show as they are."""
LISTED = 5
"""Most places that a warning lists."""
UNTIMED = {"avi", "h264", "hevc", "m4v", "mpegvideo", "dv", "yuv4mpegpipe"}
"""Containers without presentation times; libavformat makes some up, wrongly where frames are reordered."""
PROGRAM_STREAM = "mpeg"
TRANSPORT_STREAM = "mpegts"
"""The container that counts its cells, so that lost ones are missed."""
WRAPPING = {TRANSPORT_STREAM, PROGRAM_STREAM}
"""Containers whose times count modulo 2³³."""


@dataclass(frozen=True)
class Segment:
    """Packets ``start`` … ``stop − 1`` in file order: what to decode for some frames, beginning at a key frame."""

    start: int
    stop: int


@dataclass(frozen=True)
class Run:
    """Packets that follow one another in the file: from number ``first`` on. ``seek``: where the container's index has
    the first of them, None at the beginning of the file.
    """

    first: int
    seek: int | None = None


@dataclass(frozen=True)
class Timeline:
    """The ``n`` packets of a stream in file order, or some runs of them. Times are in units of ``time_base`` seconds,
    and never go back.

    ``pts``: presentation times, mended (:mod:`framesense.media.clock`); ``key``: starts a group of pictures; ``shown``:
    not cut away by an edit list. ``times``: the shown frames' times in the order they are shown, and ``end``, when the
    last one leaves. ``origin``: where players begin to count (:func:`player_zero`). ``spans``: from
    when to when there are frames, without the holes between; ``joins``: where another recording begins. ``exact``: a
    frame can be recognised by its packet's time; else (times missing) frames can only be counted, from the first.
    ``mended``: packets' times were changed. ``interval``: a frame's usual duration; ``quickest``: that of the quick
    ones (:func:`framesense.media.clock.quick_interval`). ``frames``: how many there are in all. ``notes``: what is odd
    about the clock, in words.
    """

    pts: NDArray[np.int64]
    key: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    times: NDArray[np.int64]
    end: int
    origin: int
    spans: tuple[tuple[int, int], ...]
    time_base: Fraction
    exact: bool
    interval: int
    quickest: int
    frames: int
    mended: bool = False
    joins: tuple[int, ...] = ()
    runs: tuple[Run, ...] = (Run(0),)
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, packets: Iterable[Packet[VideoStream]], stream: VideoStream) -> Timeline:
        """Read all packets of one stream."""
        return cls.of(PacketTimes.read(packets), stream)

    @classmethod
    def of(cls, packets: PacketTimes, stream: VideoStream, interval: int = 0) -> Timeline:
        """Mend the times of one stream's packets. ``interval``: the usual one, where it is known."""
        time_base = stream.time_base or Fraction(1, 1000)
        missing, dts_missing, key, shown = packets.pts_missing, packets.dts_missing, packets.key, packets.shown
        stamps = packets.dts if missing and not dts_missing else packets.pts
        known = interval
        interval = interval or usual_interval(packets.durations, stamps)
        interval = interval or round(1 / (stream.average_rate or stream.guessed_rate or Fraction(25)) / time_base)
        if missing and dts_missing:
            clock = Clock(np.arange(len(packets), dtype=np.int64) * interval)
        elif not len(packets):
            clock = Clock(stamps)
        else:
            dts = None if dts_missing else packets.dts
            wraps = stream.container.format.name in WRAPPING
            clock = mend_clock(
                stamps, dts, key, interval=interval, time_base=time_base, wraps=wraps, joints=packets.joints
            )
        times = np.sort(clock.times[shown], kind="stable")
        # A program stream whose frames share packets: their order is known, their times are about right.
        shared = stream.container.format.name == PROGRAM_STREAM and not dts_missing and len(packets) > 1
        shared = shared and bool(np.any(np.diff(packets.dts + clock.times - packets.pts) <= 0))
        if shared:
            times = spread_out(times, interval)
        if not known and len(times) >= TELLING_FRAMES:  # Matroska's durations may be those of a nominal rate.
            interval = usual_interval(np.diff(times), times) or interval
        odd = len(clock.joins) or clock.wild or is_truncated(stream)
        hold = interval if odd else packets.last_duration or interval
        found = cls(
            pts=clock.times,
            key=key,
            shown=shown,
            times=times,
            end=int(times[-1]) + max(1, hold) if len(times) else 0,
            origin=player_zero(stream, int(times[0])) if len(times) else 0,
            spans=_spans(times, max(1, hold), max(1, interval), time_base),
            time_base=time_base,
            exact=stream.container.format.name not in UNTIMED and not missing and not shared,
            interval=max(1, interval),
            quickest=quick_interval(times, max(1, interval)),
            frames=len(times),
            mended=bool(np.any(clock.times != packets.pts)),
            joins=tuple(clock.joins),
        )
        counts = stream.container.format.name == TRANSPORT_STREAM
        return replace(found, notes=tuple(found._notes(clock.wild, packets.corrupt if counts else 0)))

    @classmethod
    def combined(cls, outline: Timeline, runs: Sequence[tuple[int, Timeline]]) -> Timeline:
        """Return an outline with the packets of some runs of the file; before each its time in the index."""
        if not runs:
            return outline
        parts = [part for _, part in runs]
        firsts = accumulate((len(part.pts) for part in parts[:-1]), initial=0)
        return replace(
            outline,
            pts=np.concatenate([part.pts for part in parts]),
            key=np.concatenate([part.key for part in parts]),
            shown=np.concatenate([part.shown for part in parts]),
            times=np.sort(np.concatenate([part.times for part in parts]), kind="stable"),
            runs=tuple(Run(first, seek) for first, (seek, _) in zip(firsts, runs, strict=True)),
        )

    def outlined(self, spans: tuple[tuple[int, int], ...], end: int, frames: int, quickest: int, run: Run) -> Timeline:
        """Return the timeline of a whole video of whose packets these are the first ones."""
        found = replace(self, spans=spans, end=end, frames=frames, quickest=quickest, runs=(run,))
        return replace(found, notes=tuple(found._notes()))

    def since(self, time: int) -> Timeline:
        """Return the timeline without the frames before a time; players count from where they did."""
        if not len(self.times) or time <= self.times[0]:
            return self
        times = self.times[self.times >= time]
        spans = tuple((max(time, start), stop) for start, stop in self.spans if stop > time)
        return replace(self, shown=self.shown & (self.pts >= time), times=times, spans=spans, frames=len(times))

    @property
    def duration(self) -> float:
        """Return the seconds from the first frame shown to the end of the last."""
        return float((self.end - self.spans[0][0]) * self.time_base) if self.spans else 0.0

    @property
    def covered(self) -> float:
        """Return the seconds for which there are frames: the duration without the holes."""
        return float(sum(end - start for start, end in self.spans) * self.time_base)

    def holes(self) -> list[tuple[float, float]]:
        """Return from when to when there are no frames, in seconds as a player shows."""
        holes = [(before[1], after[0]) for before, after in pairwise(self.spans)]
        if self.spans and self.spans[-1][1] < self.end:
            holes.append((self.spans[-1][1], self.end))
        return [(self.seconds(start), self.seconds(end)) for start, end in holes]

    def stamp(self, ordinal: int, packet: Packet[Any]) -> None:
        """Mend the times of the packet with this number, in place: a decoder gives frames their packets' times."""
        if self.exact and self.mended:
            stamp = int(self.pts[ordinal])
            if packet.dts is not None:
                packet.dts += stamp - (packet.pts or 0)
            packet.pts = stamp

    def seconds(self, time: int) -> float:
        """Convert a time to the seconds that a player shows."""
        return float((time - self.origin) * self.time_base)

    @property
    def frame_interval(self) -> float:
        """Return the seconds below which it makes no sense to look at the video more often."""
        return round(float(self.quickest * self.time_base), 6)

    def takes_every_frame(self, every: Fraction) -> bool:
        """Tell whether a sample each ``every`` seconds is one of every frame: frames come no faster than that.

        Where times are rounded, to milliseconds say, an interval that differs by no more is the same.
        """
        return every / self.time_base <= self.interval + min(Fraction(1), Fraction(self.interval, 20))

    def count(self, every: Fraction) -> int:
        """Count the times of :meth:`ticks`."""
        if self.takes_every_frame(every):
            return len(self._every_frame())
        return sum(self._ticks_in(span, every) for span in self.spans) or 1

    def ticks(self, every: Fraction, start: int = 0) -> list[int]:
        """Return the times 0, ``every``, 2·``every``, … after each span's start, from number ``start`` of all on.

        They are rounded down, in time-base units: a frame shown at or before a tick is shown at or before the exact
        time. No frame is looked at twice because ``every`` is shorter than frames are: then the times are those of the
        frames, and of a frame that stays for longer the multiples of the usual interval after it; the packets of all
        frames must be there (:meth:`takes_every_frame`).
        """
        if self.takes_every_frame(every):
            return self._every_frame()[start:]
        step, skipped, found = every / self.time_base, start, list[int]()
        for span in self.spans:
            count = self._ticks_in(span, every)
            begin = min(skipped, count)
            found.extend(span[0] + k * step.numerator // step.denominator for k in range(begin, count))
            skipped -= begin
        return found

    def _every_frame(self) -> list[int]:
        times = np.unique(self.times)
        ends = np.append(times[1:], self.end)
        stops = np.array([stop for _, stop in self.spans], dtype=np.int64)
        stops = stops[np.minimum(np.searchsorted(stops, times, side="right"), len(stops) - 1)] if len(stops) else ends
        lengths = np.minimum(ends, stops) - times
        counts = np.maximum(1, (2 * lengths + self.interval - 1) // (2 * self.interval))
        firsts = np.cumsum(counts) - counts
        passed = np.arange(int(counts.sum())) - np.repeat(firsts, counts)
        return [int(time) for time in np.repeat(times, counts) + passed * self.interval]

    def _ticks_in(self, span: tuple[int, int], every: Fraction) -> int:
        return max(1, -(-((span[1] - span[0]) * self.time_base) // every))

    def _notes(self, wild: int = 0, corrupt: int = 0) -> Iterator[str]:
        if self.joins:
            places = listed([self.seconds(time) for time in self.joins])
            yield (
                f"The file's clock starts again ({len(self.joins)}×, at {places}): recordings were joined there. "
                "What follows was put right after what came before."
            )
        if wild:
            frames = "1 frame has a time" if wild == 1 else f"{wild} frames have times"
            yield f"{frames} far away from those around; the neighbours' times were used."
        if corrupt:
            lacking = "1 frame lacks parts" if corrupt == 1 else f"{corrupt} frames lack parts"
            yield f"{lacking} that were lost: what is shown from such a frame to the next key frame may be wrong."
        if holes := self.holes():
            shown = ", ".join(f"{_clock(begin)}–{_clock(end)}" for begin, end in holes[:LISTED])
            more = f" and {len(holes) - LISTED} more" if len(holes) > LISTED else ""
            yield f"There are no frames for a long time: {shown}{more}. The curve has a hole there."

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

    def start_of(self, time: int) -> int:
        """Return the number of the key frame's packet from which the frame on screen at ``time`` can be decoded."""
        return next(self.segments(self.on_screen([time])))[0].start

    def _key_before(self, keys: NDArray[np.int64], packet: int) -> int:
        for at in range(int(np.searchsorted(keys, packet, side="right")) - 1, -1, -1):
            if self.pts[keys[at]] <= self.pts[packet]:
                return int(keys[at])
        return 0


def player_zero(stream: VideoStream, first: int) -> int:
    """Return where players begin to count, in the stream's time base.

    ``first``: the time of the first frame shown. MP4 and Matroska count from their own zero, as browsers do, unless
    something comes before it; of other containers the earliest start of sound and picture is the zero.
    """
    time_base = stream.time_base or Fraction(1, 1000)
    starts = [
        round(other.start_time * other.time_base / time_base)
        for other in stream.container.streams
        if other.type == "audio" and other.start_time is not None and other.time_base
    ]
    zero = [0] if stream.container.format.name in FROM_ZERO else starts
    return min([first, *zero])


def longest_still(interval: int, time_base: Fraction) -> int:
    """Return for how long a frame stays at most before it is followed by a hole. ``interval``: the usual one."""
    return max(round(HOLE_SECONDS / time_base), HOLE_INTERVALS * interval)


def _spans(times: NDArray[np.int64], hold: int, interval: int, time_base: Fraction) -> tuple[tuple[int, int], ...]:
    """Return from when to when there are frames; the last one stays for ``hold``."""
    if not len(times):
        return ()
    longest = longest_still(interval, time_base)
    breaks = np.flatnonzero(np.diff(times) > longest)
    starts = [int(times[0]), *(int(time) for time in times[breaks + 1])]
    ends = [*(int(time) + interval for time in times[breaks]), int(times[-1]) + (hold if hold <= longest else interval)]
    return tuple(zip(starts, ends, strict=True))


def listed(seconds: Sequence[float]) -> str:
    more = f" and {len(seconds) - LISTED} more" if len(seconds) > LISTED else ""
    return ", ".join(_clock(one) for one in seconds[:LISTED]) + more


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"
