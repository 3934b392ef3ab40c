"""Open the containers of untrusted videos: only formats that hold their video themselves, only local files.

Imports PyAV, which the worker and the gateway install; model servers and the UI do not import this module.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,asf,ogg,ivf,mxf,gif,dv,nut,"
    "h264,hevc,yuv4mpegpipe,rm,wtv,apng"
)
"""Containers that hold their video themselves. Playlists and the like stay out: they make the reader open other
files and addresses."""
COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
"""Marks of video streams that are pictures beside the video."""


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a local video file for reading. Raises av.FFmpegError for what is no video in one of :data:`FORMATS`."""
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    with av.open(str(path), "r", options=options, metadata_errors="replace") as container:
        yield container


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Return a container's video streams in order, without covers and thumbnails."""
    return [stream for stream in container.streams.video if not stream.disposition & COVERS]


def promised_duration(container: InputContainer, stream: VideoStream) -> float:
    """Return the duration in seconds that the file's header states; 0 where it states none."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


def probe_duration(path: Path) -> float | None:
    """Return how many seconds a video file says that it lasts, without decoding anything.

    Returns None where the file is no video, or does not say. What it says may be wrong: use it for plans only.
    """
    try:
        with open_container(path) as container:
            streams = video_streams(container)
            return promised_duration(container, streams[0]) or None if streams else None
    except (av.FFmpegError, ValueError, OverflowError):
        return None
