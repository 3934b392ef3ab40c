"""What a video file says of itself before anything is decoded."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from framesense.http.problems import ProblemError
from framesense.media.containers import open_container
from framesense.media.streams import describe_streams, find_video_stream
from framesense.schemas.videos import VideoProbe


def probe_video(path: Path, number: int | None = None) -> VideoProbe:
    """Read a file's header. ``number``: the stream that is meant, without it the one that players show first.

    Returns a probe without anything for what is no video.
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
            duration = _promised_duration(container, stream) or None
            return VideoProbe(duration=duration, video_stream=stream.index, video_streams=streams)
    except (av.FFmpegError, ValueError, OverflowError):
        return VideoProbe()


def _promised_duration(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base
