"""Decode a video: all of its frames, or those segments that hold the frames that are wanted."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal, Self

import av
from av import Packet, VideoFrame
from av.container import InputContainer
from av.stream import Discard
from av.video.frame import PictureType
from av.video.stream import VideoStream

from framesense.http.problems import ProblemError
from framesense.media.containers import open_container, video_packets
from framesense.media.decoder import Decoder
from framesense.media.group_index import GroupIndex, UnreliableIndexError, packets_from
from framesense.media.probe import read_outline
from framesense.media.streams import find_video_stream
from framesense.media.timeline import Run, Segment, Timeline, listed
from framesense.wording import counted
from worker.videos.refusals import no_video_track, not_opened, unsupported_codec

MOST_HELD = 1000
"""Packets after a key frame that does not decode strictly among which the next one is looked for."""


class NotFoundError(Exception):
    """The timeline promised a frame that did not come out."""


class BrokenRulesError(NotFoundError):
    """A group of pictures that refers to nothing before it does not decode strictly. ``time``: where it begins."""

    def __init__(self, message: str, time: int) -> None:
        super().__init__(message)
        self.time = time


@dataclass(frozen=True)
class VideoFile:
    """A video in a file. ``number``: of its stream, None for the one that players show; ``max_pixels``: the largest
    frame allowed, width × height; ``on_packet``: called for every packet that is read. ``strict``: packets that break
    their codec's rules do not decode; else libavcodec makes of them what it can, which may be rubbish.
    """

    path: Path
    number: int | None
    max_pixels: int
    on_packet: Callable[[], None] = lambda: None
    strict: bool = False

    def packets(self, container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
        """Yield a stream's packets in file order, as far as the file can be read."""
        for packet in video_packets(container, stream):
            self.on_packet()
            yield packet

    @contextmanager
    def open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """Open the file for decoding. Raises ProblemError for what is no video, or none that can be decoded."""
        with ExitStack() as opened:
            try:
                container = opened.enter_context(open_container(self.path))
            except av.FFmpegError as error:
                raise not_opened(self.path) from error
            stream = _video_stream(container, self.number)
            self.prepare(stream)
            yield container, stream

    def prepare(self, stream: VideoStream) -> None:
        """Set a stream up for decoding, and nothing else of its file. Raises ProblemError for frames too large."""
        context = stream.codec_context
        if context.width * context.height > self.max_pixels:
            raise ProblemError(
                422,
                "frame-too-large",
                "Frame too large",
                f"The video's frames are {context.width} × {context.height} pixels; at most {self.max_pixels} are "
                f"allowed.",
            )
        context.options = {"max_pixels": str(self.max_pixels)} | ({"err_detect": "explode"} if self.strict else {})
        context.thread_type = "AUTO"
        for other in stream.container.streams:
            if other.index != stream.index:
                other.discard = Discard.all

    def outline(self) -> Timeline | None:
        """Read when the video begins and ends by the container's index; None where none can be relied on."""
        with self.open() as (container, stream):
            return read_outline(container, stream)

    def timeline(self) -> Timeline:
        """Read the times of all packets."""
        with self.open() as (container, stream):
            return Timeline.read(self.packets(container, stream), stream)

    def located(self, outline: Timeline, ticks: list[int], margin: int) -> Timeline | None:
        """Read the times of the packets around some times by the container's index; None as for :meth:`outline`."""
        with self.open() as (container, stream), suppress(UnreliableIndexError, av.FFmpegError):
            index = GroupIndex.read(container, stream)
            return index.located(outline, ticks, margin) if index else None
        return None


def starts_cleanly(file: VideoFile) -> bool:
    """Tell whether a video's first packet keeps the rules of its codec. Some cameras' never do."""
    with _KeyFrames(file) as checker, file.open() as (container, stream):
        first = next(file.packets(container, stream), None)
        return first is not None and checker.decodes(first)


def decode_all(
    file: VideoFile, timeline: Timeline, warnings: list[str], *, checked: bool = False
) -> Iterator[VideoFrame]:
    """Yield every frame that decodes; at the end, note in ``warnings`` how many did not.

    Damage costs the frames that it hits, not those that decode after it. ``checked``: groups of pictures that do not
    fit the header of their file are left out (:class:`_Groups`).
    """
    damaged = 0
    with file.open() as (container, stream), _KeyFrames(file) as checker:
        decoder, groups = Decoder(stream, file.prepare), _Groups(checker, stream)
        packets = _stamped(file.packets(container, stream), timeline)
        for packet in chain(groups.judge(packets) if checked else packets, [None]):
            try:
                for frame in decoder.decode(packet):
                    if groups.show(frame):
                        yield frame
                    else:
                        damaged += 1
            except MemoryError:
                raise  # PyAV's is an FFmpegError too
            except av.FFmpegError:
                damaged += 1
    if damaged:
        warnings.append(f"{counted(damaged, 'damaged frame')} could not be decoded; the frames before them stand in.")
    if groups.damaged:
        places = listed([timeline.seconds(time) for time in groups.damaged])
        warnings.append(f"Key frames are damaged (at {places}): what is shown until the next one may be wrong.")


def _stamped(packets: Iterator[Packet[VideoStream]], timeline: Timeline) -> Iterator[Packet[VideoStream]]:
    for ordinal, packet in enumerate(packets):
        timeline.stamp(ordinal, packet)
        yield packet


def decode_segments(
    file: VideoFile, timeline: Timeline, segments: Iterator[tuple[Segment, frozenset[int]]], *, checked: bool = False
) -> Iterator[VideoFrame]:
    """Decode the segments' frames.

    Those before a segment's first wanted one may be damaged (an open group's leading frames). Raises NotFoundError
    where a segment does not begin as its key frame promises: if the file is not strict, by a check of its own, as other
    damage is passed over then. ``checked``: its key frames are to be clean.
    """
    with file.open() as (container, stream), _KeyFrames(file) as checker:
        decoder = Decoder(stream, file.prepare)
        source = _PacketSource(container, stream, timeline.runs)
        for segment, targets in segments:
            begins = int(timeline.pts[segment.start])
            for packet in chain(source.packets(segment), [None]):  # None: give what is held back
                wanted = packet is None or packet[0] in targets
                decoder.context.skip_frame = "DEFAULT" if wanted else _skippable(decoder.stream)
                file.on_packet()
                if packet and checked and packet[0] == segment.start and not checker.decodes(packet[1]):
                    raise NotFoundError("a key frame does not decode as its headers say")
                if packet:
                    timeline.stamp(*packet)
                try:
                    frames = decoder.decode(packet and packet[1])
                except MemoryError:
                    raise
                except av.FFmpegError as error:
                    # An open group's leading frames lack what they refer to: that is no fault.
                    closed = bool((timeline.pts[segment.start : segment.stop] >= begins).all())
                    failed = f"a packet does not decode ({error})"
                    raise (BrokenRulesError(failed, begins) if closed else NotFoundError(failed)) from error
                for frame in frames:
                    if frame.pts == begins and frame.pict_type not in (PictureType.I, PictureType.NONE):
                        raise NotFoundError("the file marks frames as key frames that are not")
                    yield frame
            decoder.context.flush_buffers()


class _Groups:
    """Tells groups of pictures that are damaged from those that do not fit the header of their file.

    The key frames of both do not decode strictly; after damage the next one does. What libavcodec makes of the former
    is right in part, of the latter rubbish. ``damaged``: when the former begin.
    """

    def __init__(self, checker: _KeyFrames, stream: VideoStream) -> None:
        self.damaged: list[int] = []
        self._checker, self._stream = checker, stream
        self._begins: list[int] = []
        self._shown: list[bool] = []

    def judge(self, packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
        """Yield the packets, each when it is known whether the frames of its group are to be shown."""
        held: list[Packet[VideoStream]] = []
        for packet in packets:
            if packet.is_keyframe and packet.pts is not None and packet.stream is self._stream:
                clean = self._checker.decodes(packet)
                if held and clean:
                    self._shown[-1] = True
                    self.damaged.append(self._begins[-1])
                yield from held
                held = []
                self._begins.append(packet.pts)
                self._shown.append(clean)
                if clean:
                    yield packet
                else:
                    held = [packet]
            elif held and len(held) < MOST_HELD:
                held.append(packet)
            else:
                yield from held
                held = []
                yield packet
        yield from held

    def show(self, frame: VideoFrame) -> bool:
        """Tell whether a frame is to be shown."""
        place = bisect_right(self._begins, frame.pts) - 1 if frame.pts is not None else -1
        if place < 0:
            return True
        if frame.pts == self._begins[place] and frame.pict_type not in (PictureType.I, PictureType.NONE):
            self._shown[place] = True  # Marked as a key frame without being one: by itself it never decodes.
        return self._shown[place]


class _KeyFrames:
    """Checks key frames with a decoder of its own, opened when it is wanted; a context manager."""

    def __init__(self, file: VideoFile) -> None:
        self._file, self._opened = replace(file, strict=True), ExitStack()
        self._stream: VideoStream | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def decodes(self, packet: Packet[VideoStream]) -> bool:
        """Tell whether a key frame of the file's first recording keeps the rules of its codec."""
        if self._stream is None:
            self._stream = self._opened.enter_context(self._file.open())[1]
        context = self._stream.codec_context
        try:
            return bool([*context.decode(packet), *context.decode(None)])
        except MemoryError:
            raise
        except av.FFmpegError:
            return False
        finally:
            context.flush_buffers()


class _PacketSource:
    """The numbered packets of a timeline's runs, each sought once and read on from there."""

    def __init__(self, container: InputContainer, stream: VideoStream, runs: tuple[Run, ...]) -> None:
        self._container, self._stream, self._runs = container, stream, runs
        self._run: Run | None = None
        self._packets: Iterator[tuple[int, Packet[VideoStream]]] = iter(())
        self._beginning = video_packets(container, stream)
        self._first = next(self._beginning, None)
        # x264 says in its first packet how it was built, without which decoders get High 4:4:4's colours wrong.
        if self._first is not None:
            with suppress(av.FFmpegError):
                stream.codec_context.decode(self._first)
            stream.codec_context.flush_buffers()

    def packets(self, segment: Segment) -> Iterator[tuple[int, Packet[VideoStream]]]:
        """Yield a segment's packets. Segments come in ascending order."""
        run = next(run for run in reversed(self._runs) if run.first <= segment.start)
        if run is not self._run:
            self._run, self._packets = run, enumerate(self._read(run), run.first)
        try:
            for ordinal, packet in self._packets:
                if ordinal >= segment.start:
                    yield ordinal, packet
                if ordinal + 1 == segment.stop:
                    break
        except (UnreliableIndexError, av.FFmpegError) as error:
            raise NotFoundError(f"the file is not as its index says ({error})") from error

    def _read(self, run: Run) -> Iterator[Packet[VideoStream]]:
        if run.seek is not None:
            return packets_from(self._container, self._stream, run.seek)
        return chain([] if self._first is None else [self._first], self._beginning)


def _video_stream(container: InputContainer, number: int | None) -> VideoStream:
    stream = find_video_stream(container, number)
    if stream is None:
        raise no_video_track(container)
    if stream.codec_context is None:
        raise unsupported_codec(container)
    return stream


def _skippable(stream: VideoStream) -> Literal["NONREF", "DEFAULT"]:
    """Return which frames can be skipped with the others staying exact.

    In H.264 the mark of those that no other refers to (nal_ref_idc 0) binds; in HEVC it only speaks of one temporal
    layer. Of two fields in two packets one might be referred to, so interlaced streams are decoded whole.
    """
    progressive = stream.codec_context.field_order in (0, 1)
    return "NONREF" if stream.codec_context.codec.canonical_name == "h264" and progressive else "DEFAULT"
