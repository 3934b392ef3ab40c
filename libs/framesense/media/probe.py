"""What is known of a video before anything is decoded: its streams, and when there are frames."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

from framesense.http.problems import ProblemError
from framesense.media.containers import is_joined, open_container, video_packets
from framesense.media.group_index import GroupIndex, UnreliableIndexError
from framesense.media.streams import describe_streams, find_video_stream
from framesense.media.timeline import Timeline
from framesense.schemas.videos import VideoProbe

READING_SECONDS = 20.0
"""For so long the packets of a file without an index are read; then its header has to do."""


class _TooSlowError(Exception):
    """The file is too long to be read now."""


def probe_video(path: Path, number: int | None = None, *, seconds: float = READING_SECONDS) -> VideoProbe:
    """Read what an analysis will find: by the container's index, else from all packets, which are not decoded.

    ``number``: the stream that is meant, without it the one that players show first; ``seconds``: for how long packets
    are read. Returns a probe without anything for what is no video.
    """
    try:
        with open_container(path) as container:
            streams = describe_streams(container)
            try:
                stream = find_video_stream(container, number)
            except ProblemError:
                stream = None
            if stream is None:
                return VideoProbe(video_streams=streams)
            found = VideoProbe(video_stream=stream.index, video_streams=streams)
            promised = _promised_duration(container, stream) or None
            timeline = read_outline(container, stream)
        timeline = timeline or _read_timeline(path, number, time.monotonic() + seconds)
    except (av.FFmpegError, ValueError, OverflowError):
        return VideoProbe()
    if timeline is None or not len(timeline.times):
        return found.model_copy(update={"duration": promised, "spans": [promised] if promised else []})
    spans = [float((end - start) * timeline.time_base) for start, end in timeline.spans]
    about = {"duration": timeline.seconds(timeline.end), "spans": spans, "frame_interval": timeline.frame_interval}
    return found.model_copy(update=about)


def read_outline(container: InputContainer, stream: VideoStream) -> Timeline | None:
    """Read when a video begins and ends by its container's index; None where it has none that can be relied on."""
    if is_joined(container):
        return None
    with suppress(UnreliableIndexError, av.FFmpegError):
        index = GroupIndex.read(container, stream)
        return index.outline() if index else None
    return None


def _read_timeline(path: Path, number: int | None, deadline: float) -> Timeline | None:
    with open_container(path) as container:
        stream = find_video_stream(container, number)
        if stream is None:
            return None
        with suppress(_TooSlowError):
            return Timeline.read(_until(deadline, video_packets(container, stream)), stream)
    return None


def _until(deadline: float, packets: Iterator[Packet[VideoStream]]) -> Iterator[Packet[VideoStream]]:
    for packet in packets:
        if time.monotonic() > deadline:
            raise _TooSlowError
        yield packet


def _promised_duration(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base
