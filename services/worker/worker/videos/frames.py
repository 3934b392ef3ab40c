"""Frames of a video by presentation time: what is on screen at 0, N, 2N, … seconds, exactly, and little else decoded.

Frames are found by their presentation timestamps, never by counting, so variable frame rates, edit lists and
reordered frames come out right. Two ways to the same frames:

- *by timeline* (:mod:`framesense.media.timeline`), the usual way: only the groups of pictures that hold a wanted frame
  are decoded, each only up to it; and in H.264, whose streams mark them reliably, frames that no other frame refers to
  are passed over;
- *one after another*, when packets carry no usable times, or when the first way did not find a frame where the
  timeline says it is (damage, or a container that marks key frames wrongly): everything is decoded from the start.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Literal

import av
import av.logging
from av import Packet, VideoFrame
from av.container import InputContainer
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from framesense.http.problems import ProblemError
from framesense.media.containers import (
    Promise,
    last_time,
    open_container,
    promised_end,
    video_packets,
)
from framesense.media.stream_choice import list_streams
from framesense.media.streams import describe_streams, find_video_stream
from framesense.media.timeline import Segment, Timeline
from framesense.schemas.novelty import VideoInfo
from framesense.schemas.videos import VideoStreamInfo
from worker.videos.high_dynamic_range import Transfer
from worker.videos.motion import GAP, STILL, Motion, motion_between
from worker.videos.refusals import no_video_track, not_opened, nothing_decodes, unsupported_codec
from worker.videos.rendering import Orientation, Picture, render, shown_size, transfer_of

log = logging.getLogger(__name__)

UNMARKED_LOSS = 0.5
"""Seconds by which a file's header may promise more than the file holds before it is said."""


@dataclass(frozen=True)
class SampledFrame:
    """A frame sampled from a video.

    ``index`` counts the samples from 0; ``time`` is the frame's own presentation time, in seconds as a player shows
    it; ``picture`` is as shown, RGB, height × width × 3 uint8; ``motion`` tells how its places move, None where it
    was not measured.
    """

    index: int
    time: float
    picture: Picture
    motion: Motion | None = None


@dataclass
class Video:
    """An opened video. Make one with :func:`open_video`."""

    path: Path
    stream: int
    streams: list[VideoStreamInfo]
    timeline: Timeline
    codec: str
    width: int
    height: int
    orientation: Orientation
    pixel_aspect: Fraction | None
    max_pixels: int
    transfer: Transfer | None = None
    """Where the video is of high dynamic range."""
    warnings: list[str] = field(default_factory=list)
    """What was lost, in words; grows while frames are sampled."""

    def count(self, every_n_second: float) -> int:
        """Count the frames that :meth:`samples` gives."""
        return self.timeline.count(_exact(every_n_second))

    def info(self, *, name: str, sha256: str, size: int) -> VideoInfo:
        """Describe the video. ``size``: of the file, in bytes."""
        frames, covered = len(self.timeline.times), self.timeline.covered
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
            video_stream=self.stream,
            video_streams=self.streams,
            warnings=list(self.warnings),
        )

    def samples(self, every_n_second: float, *, start: int = 0, longest_side: int = 640) -> Iterator[SampledFrame]:
        """Yield the frames on screen 0, N, 2N, … seconds after the first one, from sample ``start`` on.

        A frame that stays on screen for several of these times is given for each of them. Nothing is given for a hole,
        and counting begins anew after it.

        Raises ProblemError when nothing at all can be decoded.
        """
        ticks = self.timeline.ticks(_exact(every_n_second), start)
        index, shown, picture = start, None, None
        for frame, time in self._frames_at(ticks):
            if picture is None or time != shown:
                picture = self._render(frame, longest_side)
                shown = time
            yield SampledFrame(index=index, time=self.timeline.seconds(time), picture=picture)
            index += 1

    def moving_samples(
        self, every_n_second: float, *, start: int = 0, longest_side: int = 640
    ) -> Iterator[SampledFrame]:
        """Yield the frames of :meth:`samples`, each with the motion of its places.

        The motion is that between the frame and the one a moment later (of the last frame: the one before). That frame
        is decoded for nothing else, but seldom needs others for it.

        A frame without such a neighbour, as where the file is damaged or has only one, stands still.
        """
        every = _exact(every_n_second)
        times = self.timeline.on_screen(self.timeline.ticks(every, start))
        neighbours = self.timeline.neighbours(times, Fraction(str(GAP)))
        wanted = sorted({*times, *neighbours})
        found: dict[int, tuple[int, Picture]] = {}
        pending, index = deque(zip(times, neighbours, strict=True)), start
        for time, (frame, at) in zip(wanted, self._frames_at(wanted), strict=True):
            found[time] = at, self._render(frame, longest_side)
            while pending and time >= max(pending[0]):
                shown, neighbour = pending.popleft()
                yield self._moving(index, found[shown], found[neighbour])
                index += 1
            least = min(pending[0]) if pending else time
            for old in [one for one in found if one < least]:
                del found[old]

    def _moving(self, index: int, shown: tuple[int, Picture], neighbour: tuple[int, Picture]) -> SampledFrame:
        (before, picture), (after, later) = sorted([shown, neighbour], key=lambda one: one[0])
        gap = float((after - before) * self.timeline.time_base)
        motion = motion_between(picture, later, gap) if gap else STILL
        return SampledFrame(index, self.timeline.seconds(shown[0]), shown[1], motion)

    def _render(self, frame: VideoFrame, longest_side: int) -> Picture:
        return render(
            frame,
            self.orientation,
            longest_side=longest_side,
            pixel_aspect=self.pixel_aspect,
            transfer=self.transfer,
        )

    def _frames_at(self, ticks: list[int]) -> Iterator[tuple[VideoFrame, int]]:
        """Yield, for each tick, the frame on screen and its time."""
        found = 0
        if self.timeline.exact:
            try:
                for frame, time in self._by_timeline(ticks):
                    yield frame, time
                    found += 1
                return
            except _NotFoundError as miss:
                log.info("%s: decoding everything, because %s", self.path.name, miss)
        yield from self._one_after_another(ticks[found:])

    def _by_timeline(self, ticks: list[int]) -> Iterator[tuple[VideoFrame, int]]:
        wanted = deque(self.timeline.on_screen(ticks))
        for frame in self._decode(self.timeline.segments(wanted)):
            while wanted and frame.pts == wanted[0]:
                yield frame, wanted.popleft()
            if wanted and frame.pts is not None and frame.pts > wanted[0]:
                break
        if wanted:
            raise _NotFoundError(f"no frame came out for time {wanted[0]}")

    def _one_after_another(self, ticks: list[int]) -> Iterator[tuple[VideoFrame, int]]:
        pending, times = deque(ticks), self.timeline.times
        held: tuple[VideoFrame, int] | None = None
        every = _decode_all(self.path, self.stream, self.max_pixels, self.timeline, self.warnings)
        for count, frame in enumerate(every):
            counted = int(times[min(count, len(times) - 1)])
            time = frame.pts if self.timeline.exact and frame.pts is not None else counted
            while pending and held and pending[0] < time:
                yield held
                pending.popleft()
            held = frame, time
        if held is None:
            raise nothing_decodes(self.codec)
        yield from (held for _ in pending)

    def _decode(self, segments: Iterator[tuple[Segment, frozenset[int]]]) -> Iterator[VideoFrame]:
        """Decode the segments' frames.

        Those before a segment's first wanted one may be damaged (an open group's leading frames). Raises _NotFoundError
        where a segment does not begin as its key frame promises.
        """
        with _open(self.path, self.stream, self.max_pixels) as (container, stream):
            context = stream.codec_context
            skip: Literal["NONREF", "DEFAULT"] = "NONREF" if _marks_unreferenced_frames(stream) else "DEFAULT"
            packets = _primed(context, enumerate(video_packets(container, stream)))
            for segment, targets in segments:
                begins = int(self.timeline.pts[segment.start])
                for packet in _with_end(packets, segment):
                    context.skip_frame = "DEFAULT" if packet is None or packet[0] in targets else skip
                    if packet:
                        self.timeline.stamp(*packet)
                    try:
                        frames = context.decode(packet and packet[1])
                    except av.FFmpegError as error:
                        raise _NotFoundError(f"a packet does not decode ({error})") from error
                    for frame in frames:
                        if frame.pts == begins and frame.pict_type not in (PictureType.I, PictureType.NONE):
                            raise _NotFoundError("the file marks frames as key frames that are not")
                        yield frame
                context.flush_buffers()


def _primed(
    context: VideoCodecContext, packets: Iterator[tuple[int, Packet[VideoStream]]]
) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """Show the decoder the first packet, then return all.

    x264 says in it how it was built, without which decoders get the colours of H.264 High 4:4:4 wrong.
    """
    first = next(packets, None)
    if first is None:
        return
    with suppress(av.FFmpegError):
        context.decode(first[1])
    context.flush_buffers()
    yield first
    yield from packets


class _NotFoundError(Exception):
    """The timeline promised a frame that did not come out."""


def open_video(path: Path, *, max_pixels: int, number: int | None = None) -> Video:
    """Read a video's timeline and decode its first frame.

    ``max_pixels``: the largest frame allowed, width × height. ``number``: of several pictures the one to look at, by
    its stream; without it the one that players show first.

    Raises ProblemError for what is no video, or none that can be decoded, and for a number that is no picture's.
    """
    with _open(path, number, max_pixels) as (container, stream):
        promised = promised_end(container, stream)
        timeline = Timeline.read(video_packets(container, stream), stream)
        named, streams, used = stream.codec_context.color_trc, describe_streams(container), stream.index
        codec, pixel_aspect = stream.codec_context.codec.canonical_name, stream.sample_aspect_ratio or None
    if not len(timeline.times):
        raise ProblemError(422, "no-frames", "No frames", "The file has a video track, but no frame in it.")
    first = next(_decode_all(path, used, max_pixels, timeline, []), None)
    if first is None:
        raise nothing_decodes(codec)
    orientation = Orientation(first)
    width, height = shown_size(first, orientation, pixel_aspect)
    transfer = transfer_of(first, int(named))
    video = Video(
        path=path,
        stream=used,
        streams=streams,
        timeline=timeline,
        codec=codec,
        width=width,
        height=height,
        orientation=orientation,
        pixel_aspect=pixel_aspect,
        max_pixels=max_pixels,
        transfer=transfer,
        warnings=[*timeline.notes],
    )
    if len(streams) > 1:
        main = next((one.number for one in streams if one.shown_first), used)
        why = "the one that players show" if used == main else f"as was chosen, though players show stream {main}"
        video.warnings.append(
            f"The file holds {len(streams)} videos: {list_streams(streams)}. Stream {used} was used, {why}. "
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


@contextmanager
def _open(path: Path, number: int | None, max_pixels: int) -> Iterator[tuple[InputContainer, VideoStream]]:
    with ExitStack() as opened:
        try:
            container = opened.enter_context(open_container(path))
        except av.FFmpegError as error:
            raise not_opened(path) from error
        stream = _video_stream(container, number)
        context = stream.codec_context
        if context.width * context.height > max_pixels:
            raise ProblemError(
                422,
                "frame-too-large",
                "Frame too large",
                f"The video's frames are {context.width} × {context.height} pixels; at most {max_pixels} are allowed.",
            )
        context.options = {"max_pixels": str(max_pixels)}
        context.thread_type = "AUTO"
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        yield container, stream


def _decode_all(
    path: Path, number: int, max_pixels: int, timeline: Timeline, warnings: list[str]
) -> Iterator[VideoFrame]:
    """Yield every frame that decodes; at the end, note in ``warnings`` how many did not."""
    damaged = 0
    with _open(path, number, max_pixels) as (container, stream):
        for packet in chain(enumerate(video_packets(container, stream)), [None]):
            if packet:
                timeline.stamp(*packet)
            try:
                yield from stream.codec_context.decode(packet and packet[1])
            except av.FFmpegError:
                damaged += 1
    if damaged:
        warnings.append(f"{damaged} damaged frames could not be decoded; the frames before them stand in.")


def _video_stream(container: InputContainer, number: int | None) -> VideoStream:
    stream = find_video_stream(container, number)
    if stream is None:
        raise no_video_track(container)
    if stream.codec_context is None:
        raise unsupported_codec(container)
    return stream


def _with_end(
    packets: Iterator[tuple[int, Packet[VideoStream]]], segment: Segment
) -> Iterator[tuple[int, Packet[VideoStream]] | None]:
    """Yield a segment's numbered packets and then None, which makes a decoder give what it holds back."""
    for ordinal, packet in packets:
        if ordinal >= segment.start:
            yield ordinal, packet
        if ordinal + 1 == segment.stop:
            break
    yield None


def _marks_unreferenced_frames(stream: VideoStream) -> bool:
    """Tell whether frames marked as unreferenced can be skipped with the others staying exact.

    In H.264 the mark (nal_ref_idc 0) binds; in HEVC it only speaks of one temporal layer. Of two fields in two packets
    one might be referred to, so interlaced streams are decoded whole.
    """
    progressive = stream.codec_context.field_order in (0, 1)
    return stream.codec_context.codec.canonical_name == "h264" and progressive


def _exact(seconds: float) -> Fraction:
    """Turn seconds into the fraction that was meant: 0.1 is a tenth, not the binary fraction nearest to it."""
    return Fraction(str(seconds))
