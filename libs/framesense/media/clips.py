"""Cut stretches out of a video: copied packet by packet where key frames allow, else encoded anew.

Copying costs no more than reading and loses nothing, but can only begin at a key frame. A stretch that begins long
after one is decoded and encoded (H.264, so that every browser plays it), as is everything that is joined or drawn on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFont

from framesense.http.problems import ProblemError
from framesense.media.containers import is_joined, open_container, video_packets
from framesense.media.decoder import Decoder
from framesense.media.frame_colours import colour_space, to_rgb, transfer_of
from framesense.media.group_index import PRESENTATION_TIMES
from framesense.media.high_dynamic_range import Transfer
from framesense.media.probe import read_outline
from framesense.media.streams import find_video_stream
from framesense.media.stretches import Stretch
from framesense.media.timeline import WRAPPING, Timeline, player_zero

LONGEST_LEAD = 2.0
"""Seconds that a copied clip may begin before the stretch asked for."""
COPIED_VIDEO = {"h264", "hevc", "av1", "vp9", "mpeg4"}
COPIED_FORMATS = {"yuv420p", "yuvj420p", "yuv420p10le"}
"""What browsers play; other formats are encoded anew as the first of these."""
COPIED_AUDIO = {"aac", "mp3"}
LONGEST_SIDE = 1280
"""Pixels: what is encoded is scaled down to this."""
BT709 = 1
"""Colour primaries, transfer and matrix of what is encoded (ITU-T H.273)."""
_MP4 = {"movflags": "+faststart"}


class ClipError(Exception):
    """A stretch that holds no frame, or a video that cannot be read. The text says which."""


def cut_clip(source: Path, target: Path, stretch: Stretch, *, number: int | None = None) -> None:
    """Write one stretch of a video as an MP4. ``number``: of several pictures the one that is meant, by its stream.

    Packets are copied, with AAC or MP3 sound, where a key frame lies at most :data:`LONGEST_LEAD` seconds before its
    start; else it is encoded, without sound. Raises ClipError where nothing can be written.
    """
    try:
        opener = _Opener(source, number)
        if not _copy(opener, target, stretch):
            _encode(opener, target, [stretch], stamped=False)
    except av.FFmpegError as error:
        raise ClipError(f"the video cannot be cut: {error}") from error


def join_clips(
    source: Path, target: Path, stretches: Sequence[Stretch], *, number: int | None = None, stamped: bool = False
) -> None:
    """Write several stretches of a video one after another as one MP4 without sound, encoded anew.

    ``number``: as for :func:`cut_clip`; ``stamped`` draws each frame's time in the source into its corner.

    Raises ClipError where nothing can be written.
    """
    try:
        _encode(_Opener(source, number), target, stretches, stamped=stamped)
    except av.FFmpegError as error:
        raise ClipError(f"the video cannot be cut: {error}") from error


def copy_stream(source: Path, target: Path, *, number: int) -> None:
    """Write one of several pictures of a video by itself, with the sound, for players that would show another.

    Packets are copied with their times: as an MP4 where browsers play that, else as Matroska. Raises ClipError where
    nothing can be written.
    """
    try:
        opener = _Opener(source, number)
        if opener.timeline and opener.timeline.joins:
            raise ClipError("recordings were joined in it")
        with opener.open() as opened:
            video = opened.video
            played = video.codec_context.codec.canonical_name in COPIED_VIDEO
            with av.open(
                str(target), "w", format="mp4" if played else "matroska", options=_MP4 if played else {}
            ) as output:
                _remux(
                    output,
                    _with_decoding_times((packet for _, packet in opened.stamped(opened.sound)), video),
                    video,
                    opened.sound,
                    None,
                    opened.time(0) * opened.time_base,
                )
    except (av.FFmpegError, ValueError) as error:
        raise ClipError(f"the video cannot be copied: {error}") from error


class _Source:
    """An opened video whose packets carry times that never go back.

    ``timeline``: None where the packets' own times never go back.
    """

    def __init__(self, container: InputContainer, video: VideoStream, timeline: Timeline | None) -> None:
        self._container, self._timeline = container, timeline
        self.video = video
        self.time_base = self.video.time_base or Fraction(1, 1000)
        self._first = self.video.start_time or 0
        self._zero = timeline.origin if timeline else player_zero(self.video, self._first)

    @property
    def sound(self) -> AudioStream | None:
        """Return the first sound that can be copied."""
        return next((s for s in self._container.streams.audio if s.codec_context.name in COPIED_AUDIO), None)

    def time(self, seconds: float) -> int:
        """Return the packets' time for a player's."""
        return self._zero + round(seconds / self.time_base)

    def seconds(self, time: int) -> float:
        """Return the player's time for a packet's."""
        return float((time - self._zero) * self.time_base)

    def packets(self, begin: int, sound: AudioStream | None = None) -> Iterator[av.Packet[Any]]:
        """Yield packets of the picture, and of a sound, from a key frame at or before ``begin`` on."""
        if self._timeline is None:
            streams = [self.video, sound] if sound else [self.video]
            # x264 says in its first packet how it was built, and decoders need that to get 4:4:4 right after a seek.
            next(self._container.decode(self.video), None)
            self._container.seek(max(begin, self._first), stream=self.video)
            yield from (packet for packet in self._container.demux(streams) if packet.size)
            return
        start = self._timeline.start_of(begin)
        for ordinal, packet in self.stamped(sound):
            if ordinal > start:
                yield packet

    def stamped(self, sound: AudioStream | None = None) -> Iterator[tuple[int, av.Packet[Any]]]:
        """Yield all packets of the picture, and of a sound, each with how many of the picture there were so far."""
        streams = [self.video, sound] if sound else [self.video]
        ordinal, shift = 0, Fraction(0)
        joined = is_joined(self._container)
        for packet in video_packets(self._container, self.video) if joined else self._container.demux(streams):
            if not packet.size:
                continue
            if isinstance(packet.stream, VideoStream):
                stamp = packet.pts or 0
                if self._timeline:
                    self._timeline.stamp(ordinal, packet)
                shift = ((packet.pts or 0) - stamp) * self.time_base
                ordinal += 1
            elif packet.pts is not None and packet.time_base and shift:
                packet.pts = packet.dts = packet.pts + round(shift / packet.time_base)
            yield ordinal, packet

    def frames(self, stretch: Stretch) -> Iterator[VideoFrame]:
        """Decode the frames on screen during a stretch; the one on screen at its start comes first."""
        begin, end = self.time(stretch.start), self.time(stretch.end)
        held: VideoFrame | None = None
        decoder = Decoder(self.video)
        for packet in chain(self.packets(begin), [None]):
            for frame in decoder.decode(packet):
                if frame.pts is None:
                    continue
                if frame.pts > end:
                    if held is not None:
                        yield held
                    return
                if frame.pts < begin:
                    held = frame
                    continue
                if held is not None and frame.pts > begin:
                    yield held
                held = None
                yield frame
        if held is not None:
            yield held


class _Opener:
    """Opens a video time and again. ``number``: of the stream that is meant."""

    def __init__(self, path: Path, number: int | None) -> None:
        self._path, self._number = path, number
        self.timeline, self.transfer = self._read_timeline(), self._read_transfer()

    @contextmanager
    def open(self) -> Iterator[_Source]:
        with open_container(self._path) as container:
            yield _Source(container, _stream(container, self._number), self.timeline)

    def _read_timeline(self) -> Timeline | None:
        """Read the timeline where the clock starts again or may do so, and of Matroska files with several pictures,
        whose index is of one alone; None for others, so that little is read.
        """
        with open_container(self._path) as container:
            video, name = _stream(container, self._number), container.format.name
            needed = is_joined(container) or name in WRAPPING
            needed = needed or (name == PRESENTATION_TIMES and len(container.streams.video) > 1)
            if not needed and (name != PRESENTATION_TIMES or read_outline(container, video) is not None):
                return None
        with open_container(self._path) as container:
            video = _stream(container, self._number)
            timeline = Timeline.read(video_packets(container, video), video)
        return timeline if needed or timeline.mended else None

    def _read_transfer(self) -> Transfer | None:
        """Read whether the video is of high dynamic range, from its first frame."""
        with open_container(self._path) as container, suppress(av.FFmpegError):
            video = _stream(container, self._number)
            first = next(container.decode(video), None)
            return transfer_of(first, int(video.codec_context.color_trc)) if first else None
        return None


def _copy(opener: _Opener, target: Path, stretch: Stretch) -> bool:
    """Copy the stretch's packets; return False where they cannot begin near its start."""
    with opener.open() as opened:
        video, sound = opened.video, opened.sound
        if video.codec_context.codec.canonical_name not in COPIED_VIDEO or video.pix_fmt not in COPIED_FORMATS:
            return False
        if opener.transfer:
            return False  # Few browsers show high dynamic range, and none where the file does not say that it is.
        begin, end = opened.time(stretch.start), opened.time(stretch.end)
        packets = opened.packets(begin, sound)
        first = next((p for p in packets if p.stream is video and p.is_keyframe and p.pts is not None), None)
        if first is None or first.pts is None or first.dts is None:
            return False
        if (begin - first.pts) * opened.time_base > LONGEST_LEAD or first.pts > end:
            return False
        if opener.timeline and any(first.pts < joint <= end for joint in opener.timeline.joins):
            return False  # Recordings that were joined may differ in size, codec and clock of the sound.
        with av.open(str(target), "w", format="mp4", options=_MP4) as output:
            _remux(output, chain([first], packets), video, sound, end, first.pts * opened.time_base)
    return True


def _remux(
    output: OutputContainer,
    packets: Iterator[av.Packet[Any]],
    video: VideoStream,
    sound: AudioStream | None,
    end: int | None,
    zero: Fraction,
) -> None:
    """Copy packets until ``end``, in the video's time base. ``zero``: seconds that become 0."""
    copies: dict[int, VideoStream | AudioStream] = {video.index: output.add_stream_from_template(video)}
    if sound is not None:
        copies[sound.index] = output.add_stream_from_template(sound)
    for packet in packets:
        if packet.pts is None or packet.dts is None or packet.time_base is None:
            continue
        if packet.stream is video and end is not None and packet.dts > end:
            break
        shift = round(zero / packet.time_base)
        if packet.stream is not video and packet.pts < shift:
            continue
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        packet.stream = copies[packet.stream.index]
        output.mux(packet)


def _with_decoding_times(packets: Iterator[av.Packet[Any]], video: VideoStream) -> Iterator[av.Packet[Any]]:
    """Give the first packets decoding times, which libavformat does not know for Matroska: before the first known."""
    step = max(1, round(1 / (video.average_rate or 25) / (video.time_base or 1)))
    waiting: list[av.Packet[Any]] = []
    for packet in packets:
        waiting.append(packet)
        if packet.stream is not video or packet.dts is None:
            continue
        late = [one for one in waiting[:-1] if one.stream is video]
        for before, one in enumerate(reversed(late), 1):
            one.dts = packet.dts - before * step
        yield from waiting
        yield from packets
        return
    yield from waiting


def _encode(opener: _Opener, target: Path, stretches: Sequence[Stretch], *, stamped: bool) -> None:
    with av.open(str(target), "w", format="mp4", options=_MP4) as output:
        writer: VideoStream | None = None
        rate, written = Fraction(25), 0
        for stretch in stretches:
            with opener.open() as opened:
                origin: int | None = None
                after = written
                for frame in opened.frames(stretch):
                    if writer is None:
                        rate = _rate(opened.video)
                        writer = _writer(output, frame, rate)
                    origin = frame.pts if origin is None else origin
                    # Rounding to the mean rate: where frames come unevenly two may share a place; the first keeps it.
                    place = after + round(((frame.pts or 0) - (origin or 0)) * opened.time_base * rate)
                    if place < written:
                        continue
                    drawn = _drawn(frame, writer, opener.transfer, opened.seconds(frame.pts or 0) if stamped else None)
                    drawn.pts, drawn.time_base = place, 1 / rate
                    output.mux(writer.encode(drawn))
                    written = place + 1
        if writer is None:
            raise ClipError("no frame of the video lies in that stretch")
        output.mux(writer.encode(None))


def _rate(video: VideoStream) -> Fraction:
    """Return the frames a second that a clip is encoded with."""
    return max(Fraction(1), Fraction(video.average_rate or video.guessed_rate or 25).limit_denominator(1001))


def _writer(output: OutputContainer, frame: VideoFrame, rate: Fraction) -> VideoStream:
    scale = min(1.0, LONGEST_SIDE / max(frame.width, frame.height))
    writer = output.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
    writer.width, writer.height = (max(2, round(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    writer.pix_fmt = "yuv420p"
    context = writer.codec_context
    context.colorspace = context.color_primaries = context.color_trc = BT709
    writer.codec_context.time_base = 1 / rate
    if frame.rotation:
        writer.set_display_rotation(frame.rotation)
    return writer


def _drawn(frame: VideoFrame, writer: VideoStream, transfer: Transfer | None, seconds: float | None) -> VideoFrame:
    """Return a frame in the clip's size and colours, with a time in its corner where ``seconds`` are given."""
    if seconds is None and not transfer:
        return frame.reformat(
            writer.width, writer.height, "yuv420p", src_colorspace=colour_space(frame), dst_colorspace=Colorspace.ITU709
        )
    image = Image.fromarray(to_rgb(frame, writer.width, writer.height, transfer))
    if seconds is not None:
        _stamp(image, seconds)
    drawn = VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
    return drawn.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)


def _stamp(image: Image.Image, seconds: float) -> None:
    """Draw a time into an image's corner."""
    draw, size = ImageDraw.Draw(image), max(12, image.height // 18)
    place = (size // 2, size // 2)
    draw.text(place, _clock(seconds), fill="white", stroke_fill="black", stroke_width=max(1, size // 10),
              font=ImageFont.load_default(size))  # fmt: skip


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _stream(container: InputContainer, number: int | None) -> VideoStream:
    try:
        stream = find_video_stream(container, number)
    except ProblemError as error:
        raise ClipError(error.detail) from error
    if stream is None or stream.codec_context is None:
        raise ClipError("the file has no video that can be decoded here")
    return stream
