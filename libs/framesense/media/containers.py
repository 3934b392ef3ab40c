"""Open the containers of untrusted videos: only formats that hold their video themselves, only local files.

Imports PyAV, which the worker and the gateway install; model servers and the UI do not import this module.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

log = logging.getLogger(__name__)

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,asf,ogg,ivf,mxf,gif,dv,nut,"
    "h264,hevc,yuv4mpegpipe,rm,wtv,apng"
)
"""Containers that hold their video themselves. Playlists and the like stay out: they make the reader open other
files and addresses."""
SYNC_BYTE = 0x47
"""First byte of a transport stream's packet (ISO/IEC 13818-1, 2.4.3.2)."""
MEASURED = {"mpegts", "mpeg", "h264", "hevc", "m4v", "mpegvideo", "dv", "yuv4mpegpipe"}
"""Containers whose headers state no duration: libavformat guesses it."""
PER_STREAM = {"mov,mp4,m4a,3gp,3g2,mj2", "avi", "mxf"}
"""Containers whose headers state each stream's duration."""


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a local video file for reading. Raises av.FFmpegError for what is no video in one of :data:`FORMATS`."""
    # libavformat takes a clock that starts again for one that wraps: framesense.media.clock tells them apart.
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "correct_ts_overflow": "0"}
    try:
        opened = av.open(str(path), "r", options=options, metadata_errors="replace")
    except (av.InvalidDataError, av.EOFError):
        if not _is_transport_stream(path):
            raise
        opened = av.open(str(path), "r", format="mpegts", options=options, metadata_errors="replace")
    with opened as container:
        yield container


def _is_transport_stream(path: Path) -> bool:
    """Tell whether a file that libavformat does not know, as it is too short, is a transport stream all the same."""
    with path.open("rb") as file:
        head = file.read(16 * 192)
    for cell, sync in ((188, 0), (192, 4)):  # the latter of cameras and Blu-ray discs, with a time before each packet
        marks = head[sync::cell]
        if len(marks) > 1 and set(marks) == {SYNC_BYTE}:
            return True
    return False


def video_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Yield a stream's packets in file order, as far as the file can be read."""
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except av.FFmpegError as error:
        log.info("%s: reading stops early: %s", container.name, error)


@dataclass(frozen=True)
class Promise:
    """What a file's header states: ``end``, seconds on the file's clock, 0 where it states none.

    ``whole_file``: it is when the file ends, sound and all; else it is the picture's own end.
    """

    end: float
    whole_file: bool


def promised_end(container: InputContainer, stream: VideoStream) -> Promise:
    """Return when a header says that a video ends."""
    if container.format.name in MEASURED:
        return Promise(0.0, whole_file=True)
    if found := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = found.groups()
        return Promise(int(hours) * 3600 + int(minutes) * 60 + float(seconds), whole_file=False)
    whole = (container.start_time or 0) / av.time_base + (container.duration or 0) / av.time_base
    if not (stream.duration and stream.time_base):
        return Promise(whole if container.duration else 0.0, whole_file=True)
    own = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    # Where streams state nothing libavformat gives them the file's duration.
    return Promise(own, whole_file=container.format.name not in PER_STREAM)


def last_time(path: Path) -> float:
    """Return when the last packet of any stream ends, in seconds on the file's clock; reads all of the file."""
    last = Fraction(0)
    with open_container(path) as container:
        try:
            for packet in container.demux():
                if packet.pts is not None and packet.time_base:
                    last = max(last, (packet.pts + (packet.duration or 0)) * packet.time_base)
        except av.FFmpegError as error:
            log.info("%s: reading stops early: %s", path.name, error)
    return float(last)
