"""Frames of a video by presentation time: what is on screen at 0, N, 2N, … seconds, exactly, and little else decoded.

Frames are found by their presentation timestamps, never by counting, so variable frame rates, edit lists and
reordered frames come out right. Two ways to the same frames:

- *by timeline* (:mod:`framesense.media.timeline`), the usual way: only the groups of pictures that hold a wanted frame
  are decoded, each only up to it; and in H.264, whose streams mark them reliably, frames that no other frame refers to
  are passed over. Where the container has an index (:mod:`framesense.media.group_index`), nothing else is read;
- *one after another*, when packets carry no usable times, or when the first way did not find a frame where the
  timeline says it is (damage, or a container that marks key frames wrongly): everything is decoded from the start.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from av import VideoFrame

from framesense.http.problems import ProblemError
from framesense.media.containers import Promise, count_lost_recordings, last_time, promised_end
from framesense.media.frame_colours import transfer_of
from framesense.media.high_dynamic_range import Transfer
from framesense.media.stream_choice import list_streams
from framesense.media.streams import describe_streams
from framesense.media.timeline import Timeline
from framesense.schemas.novelty import VideoInfo
from framesense.schemas.references import TimeRange
from framesense.schemas.videos import VideoStreamInfo
from framesense.wording import counted
from worker.videos.decoding import (
    BrokenRulesError,
    NotFoundError,
    VideoFile,
    decode_all,
    decode_segments,
    starts_cleanly,
)
from worker.videos.motion import GAP, STILL, Motion, motion_between
from worker.videos.refusals import nothing_decodes
from worker.videos.rendering import Orientation, Picture, render, shown_size

log = logging.getLogger(__name__)

UNMARKED_LOSS = 0.5
"""Seconds that may be missing at a video's begin or of what its header promises before it is said."""


@dataclass(frozen=True)
class SampledFrame:
    """A frame sampled from a video.

    ``index`` counts the samples from 0; ``time`` is when the frame is first shown, in seconds as a player shows; that
    of a frame which stays on screen for several samples is when it was looked at again, so that of each sample is
    greater than the one before. ``picture`` is as shown, RGB, height × width × 3 uint8; ``motion`` tells how its places
    move, None where it was not measured.
    """

    index: int
    time: float
    picture: Picture
    motion: Motion | None = None


@dataclass
class Video:
    """An opened video. Make one with :func:`open_video`."""

    file: VideoFile
    streams: list[VideoStreamInfo]
    timeline: Timeline
    codec: str
    width: int
    height: int
    orientation: Orientation
    pixel_aspect: Fraction | None
    transfer: Transfer | None = None
    """Where the video is of high dynamic range."""
    warnings: list[str] = field(default_factory=list)
    """What was lost, in words; grows while frames are sampled."""
    _whole: Timeline | None = None
    """The times of all packets, where they had to be read."""

    def count(self, every_n_second: float) -> int:
        """Count the frames that :meth:`samples` gives."""
        return self._sampled(_exact(every_n_second)).count(_exact(every_n_second))

    def info(self, *, name: str, sha256: str, size: int) -> VideoInfo:
        """Describe the video. ``size``: of the file, in bytes."""
        frames, covered = self.timeline.frames, self.timeline.covered
        return VideoInfo(
            name=name,
            sha256=sha256,
            bytes=size,
            duration=self.timeline.seconds(self.timeline.end),
            width=self.width,
            height=self.height,
            fps=frames / covered if frames > 1 and covered else 0.0,
            codec=self.codec,
            rotation=self.orientation.degrees,
            video_stream=self.file.number,
            video_streams=self.streams,
            holes=[TimeRange(start=max(0.0, start), end=end) for start, end in self.timeline.holes()],
            warnings=list(self.warnings),
        )

    def samples(self, every_n_second: float, *, start: int = 0, longest_side: int = 640) -> Iterator[SampledFrame]:
        """Yield the frames on screen 0, N, 2N, … seconds after the first one, from sample ``start`` on.

        A frame that stays on screen for several of these times is given for each of them, as the same picture. Nothing
        is given for a hole, and counting begins anew after it. Where frames come no faster than every N seconds each is
        given once (:meth:`framesense.media.timeline.Timeline.ticks`).

        Raises ProblemError when nothing at all can be decoded.
        """
        before, ticks = self._ticks(_exact(every_n_second), start)
        timeline = self._located(ticks, 0)
        shown, picture = None, None
        for place, (frame, time) in enumerate(self._frames_at(ticks, timeline)):
            if picture is None or time != shown:
                picture = self._render(frame, longest_side)
                shown = time
            looked_at = _sample_time(time, before[place], ticks[place])
            yield SampledFrame(index=start + place, time=self.timeline.seconds(looked_at), picture=picture)

    def moving_samples(
        self, every_n_second: float, *, start: int = 0, longest_side: int = 640
    ) -> Iterator[SampledFrame]:
        """Yield the frames of :meth:`samples`, each with the motion of its places.

        The motion is that between the frame and the one a moment later (of the last frame: the one before). That frame
        is decoded for nothing else, but seldom needs others for it.

        A frame without such a neighbour, as where the file is damaged or has only one, stands still.
        """
        (before, ticks), gap = self._ticks(_exact(every_n_second), start), Fraction(str(GAP))
        timeline = self._located(ticks, int(gap / self.timeline.time_base))
        times = timeline.on_screen(ticks)
        neighbours = timeline.neighbours(times, gap)
        wanted = sorted({*times, *neighbours})
        found: dict[int, tuple[int, Picture]] = {}
        pending, place = deque(zip(times, neighbours, strict=True)), 0
        for time, (frame, at) in zip(wanted, self._frames_at(wanted, timeline), strict=True):
            found[time] = at, self._render(frame, longest_side)
            while pending and time >= max(pending[0]):
                shown, neighbour = pending.popleft()
                picture, motion = self._moving(found[shown], found[neighbour])
                looked_at = _sample_time(found[shown][0], before[place], ticks[place])
                yield SampledFrame(start + place, self.timeline.seconds(looked_at), picture, motion)
                place += 1
            least = min(pending[0]) if pending else time
            for old in [one for one in found if one < least]:
                del found[old]

    def _ticks(self, every: Fraction, start: int) -> tuple[Sequence[int | None], list[int]]:
        """Return the times to look at from number ``start`` on, and before each the one before it."""
        ticks = self._sampled(every).ticks(every, max(0, start - 1))
        before: list[int | None] = [None, *ticks]
        return (before[1:], ticks[1:]) if start else (before, ticks)

    def _moving(self, shown: tuple[int, Picture], neighbour: tuple[int, Picture]) -> tuple[Picture, Motion]:
        (before, picture), (after, later) = sorted([shown, neighbour], key=lambda one: one[0])
        gap = float((after - before) * self.timeline.time_base)
        motion = motion_between(picture, later, gap) if gap else STILL
        return shown[1], motion

    def _render(self, frame: VideoFrame, longest_side: int) -> Picture:
        return render(
            frame,
            self.orientation,
            longest_side=longest_side,
            pixel_aspect=self.pixel_aspect,
            transfer=self.transfer,
        )

    def _sampled(self, every: Fraction) -> Timeline:
        """Return a timeline that knows the times of samples ``every`` seconds."""
        return self._read_whole() if self.timeline.takes_every_frame(every) else self.timeline

    def _located(self, ticks: list[int], margin: int) -> Timeline:
        """Return a timeline with the packets that decide what is on screen at these times, and ``margin`` later."""
        if self._whole or self.timeline.runs[0].seek is None:
            return self._read_whole()
        return self.file.located(self.timeline, ticks, margin) or self._read_whole()

    def _read_whole(self) -> Timeline:
        if self.timeline.runs[0].seek is None:
            return self.timeline
        self._whole = self._whole or self.file.timeline().since(self.timeline.spans[0][0])
        return self._whole

    def _frames_at(self, ticks: list[int], timeline: Timeline) -> Iterator[tuple[VideoFrame, int]]:
        """Yield, for each tick, the frame on screen and its time."""
        found, last, broken = 0, None, None
        # Most files keep the rules of their codecs. Of others libavcodec makes what it can: key frames must be right.
        for strict in (True, False) if timeline.exact else ():
            try:
                for last in self._by_timeline(ticks[found:], timeline, strict=strict):
                    yield last
                    found += 1
                if broken is not None:
                    self.warnings.append(self._rules_broken(broken))
                return
            except NotFoundError as miss:
                broken = miss.time if strict and isinstance(miss, BrokenRulesError) else broken
                log.info("%s: decoding otherwise, because %s", self.file.path.name, miss)
        said = len(self.warnings)
        for shown in self._one_after_another(ticks[found:]):
            # Of a damaged file another way may decode fewer frames; time never goes back.
            last = shown if last is None or shown[1] >= last[1] else last
            yield last
        if broken is not None and len(self.warnings) == said:
            self.warnings.append(self._rules_broken(broken))

    def _rules_broken(self, time: int) -> str:
        return (
            f"Frames from about {self.timeline.seconds(time):.1f} s on break the rules of their codec: what is shown "
            f"there may be wrong."
        )

    @cached_property
    def _clean(self) -> bool:
        return starts_cleanly(self.file)

    def _by_timeline(self, ticks: list[int], timeline: Timeline, *, strict: bool) -> Iterator[tuple[VideoFrame, int]]:
        wanted = deque(timeline.on_screen(ticks))
        file, checked = replace(self.file, strict=strict), not strict and self._clean
        for frame in decode_segments(file, timeline, timeline.segments(wanted), checked=checked):
            while wanted and frame.pts == wanted[0]:
                yield frame, wanted.popleft()
            if wanted and frame.pts is not None and frame.pts > wanted[0]:
                break
        if wanted:
            raise NotFoundError(f"no frame came out for time {wanted[0]}")

    def _one_after_another(self, ticks: list[int]) -> Iterator[tuple[VideoFrame, int]]:
        timeline = self._read_whole()
        pending, times = deque(ticks), timeline.times
        held: tuple[VideoFrame, int] | None = None
        checked = timeline.exact and self._clean
        for count, frame in enumerate(decode_all(self.file, timeline, self.warnings, checked=checked)):
            counted = int(times[min(count, len(times) - 1)])
            time = frame.pts if timeline.exact and frame.pts is not None else counted
            while pending and held and pending[0] < time:
                yield held
                pending.popleft()
            held = frame, time
        if held is None:
            raise nothing_decodes(self.codec)
        yield from (held for _ in pending)


def open_video(
    path: Path, *, max_pixels: int, number: int | None = None, on_packet: Callable[[], None] = lambda: None
) -> Video:
    """Read a video's timeline and decode its first frame.

    ``max_pixels``: the largest frame allowed, width × height. ``number``: of several pictures the one to look at, by
    its stream; without it the one that players show first. ``on_packet``: called for every packet that is read.

    Raises ProblemError for what is no video, or none that can be decoded, and for a number that is no picture's.
    """
    file = VideoFile(path, number, max_pixels, on_packet)
    with file.open() as (container, stream):
        promised = promised_end(container, stream)
        lost = count_lost_recordings(container, stream)
        named, streams = stream.codec_context.color_trc, describe_streams(container)
        file = VideoFile(path, stream.index, max_pixels, on_packet)
        codec, pixel_aspect = stream.codec_context.codec.canonical_name, stream.sample_aspect_ratio or None
    timeline = file.outline() or file.timeline()
    if not len(timeline.times):
        raise ProblemError(422, "no-frames", "No frames", "The file has a video track, but no frame in it.")
    first = next(decode_all(file, timeline, []), None)
    if first is None:
        raise nothing_decodes(codec)
    late = Fraction(0)
    if timeline.exact and first.pts is not None and timeline.times[0] < first.pts <= timeline.times[-1]:
        late = (first.pts - int(timeline.times[0])) * timeline.time_base
        timeline = timeline.since(first.pts)
    orientation = Orientation(first)
    width, height = shown_size(first, orientation, pixel_aspect)
    transfer = transfer_of(first, int(named))
    video = Video(
        file=file,
        streams=streams,
        timeline=timeline,
        codec=codec,
        width=width,
        height=height,
        orientation=orientation,
        pixel_aspect=pixel_aspect,
        transfer=transfer,
        warnings=[*timeline.notes],
    )
    if late > UNMARKED_LOSS:
        video.warnings.append(
            f"The first {float(late):.1f} s have no key frame to decode from: frames are shown after them only."
        )
    if lost:
        video.warnings.append(
            f"After what was used the file holds {counted(lost, 'more recording')}, of which no picture can be read."
        )
    if len(streams) > 1:
        main = next((one.number for one in streams if one.shown_first), None)
        why = "the one that players show" if file.number == main else "as was chosen"
        video.warnings.append(
            f"The file holds {len(streams)} videos: {list_streams(streams)}. Stream {file.number} was used, {why}. "
            f"Choose another by video_stream."
        )
    if transfer and first.color_trc not in list(Transfer) and named not in list(Transfer):
        video.warnings.append(
            "The video does not say how it stores brightness. Its colours are those of high dynamic range (BT.2020), "
            "so it was taken for PQ, as of HDR10."
        )
    if _is_cut_off(path, promised, timeline):
        lasts, there = promised.end - timeline.origin * timeline.time_base, timeline.seconds(timeline.end)
        video.warnings.append(
            f"The file says that it lasts {float(lasts):.1f} s, but frames are there for {there:.1f} s only: "
            f"it seems to be cut off. The frames that are there were used."
        )
    return video


def _is_cut_off(path: Path, promised: Promise, timeline: Timeline) -> bool:
    """Tell whether frames that the header promises are missing. Sound may well last longer than the picture."""
    tolerated = max(UNMARKED_LOSS, promised.end / 50)
    if promised.end - timeline.end * timeline.time_base <= tolerated:
        return False
    return not promised.whole_file or promised.end - last_time(path) > tolerated


def _sample_time(shown: int, before: int | None, tick: int) -> int:
    """Return the time of a sample at ``tick`` of a frame shown since ``shown``; ``before``: the tick before.

    It lies after that and not after ``tick``, so samples' times rise, whatever a damaged file's frames do.
    """
    return shown if (before is None or before < shown) and shown <= tick else tick


def _exact(seconds: float) -> Fraction:
    """Turn seconds into the fraction that was meant: 0.1 is a tenth, not the binary fraction nearest to it."""
    return Fraction(str(seconds))
