"""Cut stretches out of a video: copied packet by packet where key frames allow, else encoded anew.

Copying costs no more than reading and loses nothing, but can only begin at a key frame. A stretch that begins long
after one is decoded and encoded (H.264, so that every browser plays it), as is everything that is joined or drawn on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageDraw, ImageFont

from framesense.media.containers import open_container, video_streams
from framesense.media.stretches import Stretch

LONGEST_LEAD = 2.0
"""Seconds that a copied clip may begin before the stretch asked for."""
COPIED_VIDEO = {"h264", "hevc", "av1", "vp9", "mpeg4"}
COPIED_AUDIO = {"aac", "mp3"}
LONGEST_SIDE = 1280
"""Pixels: what is encoded is scaled down to this."""
_MP4 = {"movflags": "+faststart"}


class ClipError(Exception):
    """A stretch that holds no frame, or a video that cannot be read. The text says which."""


def cut_clip(source: Path, target: Path, stretch: Stretch) -> None:
    """Write one stretch of a video as an MP4.

    Packets are copied, with AAC or MP3 sound, where a key frame lies at most :data:`LONGEST_LEAD` seconds before its
    start; else it is encoded, without sound. Raises ClipError where nothing can be written.
    """
    try:
        if not _copy(source, target, stretch):
            _encode(source, target, [stretch], stamped=False)
    except av.FFmpegError as error:
        raise ClipError(f"the video cannot be cut: {error}") from error


def join_clips(source: Path, target: Path, stretches: Sequence[Stretch], *, stamped: bool = False) -> None:
    """Write several stretches of a video one after another as one MP4 without sound, encoded anew.

    ``stamped`` draws each frame's time in the source into its corner. Raises ClipError where nothing can be written.
    """
    try:
        _encode(source, target, stretches, stamped=stamped)
    except av.FFmpegError as error:
        raise ClipError(f"the video cannot be cut: {error}") from error


def _copy(source: Path, target: Path, stretch: Stretch) -> bool:
    """Copy the stretch's packets; return False where they cannot begin near its start."""
    with open_container(source) as container:
        video = _stream(container)
        if video.codec_context.codec.canonical_name not in COPIED_VIDEO:
            return False
        begin, end = _pts(video, stretch.start), _pts(video, stretch.end)
        container.seek(begin, stream=video)
        sound = next((s for s in container.streams.audio if s.codec_context.name in COPIED_AUDIO), None)
        packets: Iterator[av.Packet[Any]] = container.demux([video, sound] if sound else [video])
        first = next((p for p in packets if p.stream is video and p.is_keyframe and p.pts is not None), None)
        if first is None or first.pts is None or first.dts is None:
            return False
        if (begin - first.pts) * _base(video) > LONGEST_LEAD or first.pts > end:
            return False
        with av.open(str(target), "w", format="mp4", options=_MP4) as output:
            _remux(output, chain([first], packets), video, sound, end)
    return True


def _remux(
    output: OutputContainer,
    packets: Iterator[av.Packet[Any]],
    video: VideoStream,
    sound: AudioStream | None,
    end: int,
) -> None:
    copies: dict[int, VideoStream | AudioStream] = {video.index: output.add_stream_from_template(video)}
    if sound is not None:
        copies[sound.index] = output.add_stream_from_template(sound)
    zero: Fraction | None = None
    for packet in packets:
        if packet.pts is None or packet.dts is None or packet.time_base is None:
            continue
        if packet.stream is video and packet.dts > end:
            break
        if zero is None:
            zero = packet.pts * packet.time_base
        shift = round(zero / packet.time_base)
        if packet.stream is not video and packet.pts < shift:
            continue
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        packet.stream = copies[packet.stream.index]
        output.mux(packet)


def _encode(source: Path, target: Path, stretches: Sequence[Stretch], *, stamped: bool) -> None:
    with open_container(source) as container, av.open(str(target), "w", format="mp4", options=_MP4) as output:
        video = _stream(container)
        rate = max(Fraction(1), Fraction(video.average_rate or video.guessed_rate or 25).limit_denominator(1001))
        writer: VideoStream | None = None
        written = 0
        for stretch in stretches:
            frames = _frames(container, video, stretch)
            origin: int | None = None
            after = written
            for frame in frames:
                if writer is None:
                    writer = _writer(output, frame, rate)
                origin = frame.pts if origin is None else origin
                # Rounding to the mean rate: where frames come unevenly two may share a place, and the first keeps it.
                place = after + round(((frame.pts or 0) - (origin or 0)) * _base(video) * rate)
                if place < written:
                    continue
                drawn = _drawn(frame, writer, _seconds(video, frame) if stamped else None)
                drawn.pts, drawn.time_base = place, 1 / rate
                output.mux(writer.encode(drawn))
                written = place + 1
        if writer is None:
            raise ClipError("no frame of the video lies in that stretch")
        output.mux(writer.encode(None))


def _frames(container: InputContainer, video: VideoStream, stretch: Stretch) -> Iterator[VideoFrame]:
    """Decode the frames on screen during a stretch; the one on screen at its start comes first."""
    begin, end = _pts(video, stretch.start), _pts(video, stretch.end)
    container.seek(begin, stream=video)
    held: VideoFrame | None = None
    for frame in container.decode(video):
        if frame.pts is None:
            continue
        if frame.pts > end:
            break
        if frame.pts < begin:
            held = frame
            continue
        if held is not None and frame.pts > begin:
            yield held
        held = None
        yield frame
    if held is not None:
        yield held


def _writer(output: OutputContainer, frame: VideoFrame, rate: Fraction) -> VideoStream:
    scale = min(1.0, LONGEST_SIDE / max(frame.width, frame.height))
    writer = output.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
    writer.width, writer.height = (max(2, round(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    writer.pix_fmt = "yuv420p"
    writer.codec_context.time_base = 1 / rate
    if frame.rotation:
        writer.set_display_rotation(frame.rotation)
    return writer


def _drawn(frame: VideoFrame, writer: VideoStream, seconds: float | None) -> VideoFrame:
    if seconds is None:
        return frame.reformat(writer.width, writer.height, "yuv420p")
    image = Image.fromarray(frame.reformat(writer.width, writer.height, "rgb24").to_ndarray())
    draw, size = ImageDraw.Draw(image), max(12, writer.height // 18)
    place = (size // 2, size // 2)
    draw.text(place, _clock(seconds), fill="white", stroke_fill="black", stroke_width=max(1, size // 10),
              font=ImageFont.load_default(size))  # fmt: skip
    return VideoFrame.from_ndarray(np.asarray(image), format="rgb24").reformat(format="yuv420p")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _stream(container: InputContainer) -> VideoStream:
    streams = [stream for stream in video_streams(container) if stream.codec_context is not None]
    if not streams:
        raise ClipError("the file has no video that can be decoded here")
    return streams[0]


def _base(video: VideoStream) -> Fraction:
    return video.time_base or Fraction(1, 1000)


def _pts(video: VideoStream, seconds: float) -> int:
    return (video.start_time or 0) + round(seconds / _base(video))


def _seconds(video: VideoStream, frame: VideoFrame) -> float:
    return float(((frame.pts or 0) - (video.start_time or 0)) * _base(video))
