"""Open the containers of untrusted videos: only formats that hold their video themselves, only local files.

Imports PyAV, which the worker and the gateway install; model servers and the UI do not import this module.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av import Packet
from av.container import InputContainer
from av.video.stream import VideoStream

from framesense.media.packet_times import known_time
from framesense.media.recordings import Recording, find_recordings
from framesense.media.streams import find_video_stream, video_streams

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


PART, PATH = "subfile,,", ",,:"
"""Begin the address of a part of a file, and the path in it (libavformat's protocol ``subfile``)."""


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a local video file for reading. Raises av.FFmpegError for what is no video in one of :data:`FORMATS`.

    Of several recordings in one file it is the first that is opened; :func:`video_packets` goes on to the others.
    """
    recordings = find_recordings(path)
    with _open(str(path) if len(recordings) == 1 else _address(path, recordings[0])) as container:
        yield container


def is_joined(container: InputContainer) -> bool:
    """Tell whether a container is the first of several recordings in its file."""
    return container.name.startswith(PART)


def _open(address: str) -> InputContainer:
    # libavformat takes a clock that starts again for one that wraps: framesense.media.clock tells them apart.
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file,subfile", "correct_ts_overflow": "0"}
    try:
        return av.open(address, "r", options=options, metadata_errors="replace")
    except (av.InvalidDataError, av.EOFError):
        if not _is_transport_stream(Path(address)):
            raise
        return av.open(address, "r", format="mpegts", options=options, metadata_errors="replace")


def _address(path: Path, recording: Recording) -> str:
    return f"{PART}start,{recording.start},end,{recording.end}{PATH}{path}"


def _is_transport_stream(path: Path) -> bool:
    """Tell whether a file that libavformat does not know, as it is too short, is a transport stream all the same."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(16 * 192)
    for cell, sync in ((188, 0), (192, 4)):  # the latter of cameras and Blu-ray discs, with a time before each packet
        marks = head[sync::cell]
        if len(marks) > 1 and set(marks) == {SYNC_BYTE}:
            return True
    return False


def video_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Yield a stream's packets in file order, as far as the file can be read.

    Where other recordings follow in the file theirs come after, on the first one's clock: each begins where the one
    before ends. Their packets are of streams of their own.
    """
    end = 0
    for packet in _packets(container, stream):
        end = max(end, _end(packet, stream))
        yield packet
    for opened, following in _following(container, stream):
        start, begin = known_time(following.start_time) or 0, end
        scale = (following.time_base or Fraction(1)) / (stream.time_base or Fraction(1))
        for packet in _packets(opened, following):
            packet.pts, packet.dts = (
                None if known_time(time) is None else begin + round(((time or 0) - start) * scale)
                for time in (packet.pts, packet.dts)
            )
            packet.duration = round((packet.duration or 0) * scale)
            end = max(end, _end(packet, stream))
            yield packet


def count_lost_recordings(container: InputContainer, stream: VideoStream) -> int:
    """Count the recordings after the first that cannot be read, or have no picture."""
    if not is_joined(container):
        return 0
    return len(find_recordings(_path(container))) - 1 - sum(1 for _ in _following(container, stream))


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except av.FFmpegError as error:
        log.info("%s: reading stops early: %s", container.name, error)


def _following(container: InputContainer, stream: VideoStream) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the recordings after the first; yield each with its stream of the same number, else its main one."""
    if not is_joined(container):
        return
    path = _path(container)
    for recording in find_recordings(path)[1:]:
        with suppress(av.FFmpegError):
            opened = _open(_address(path, recording))
            same = next((one for one in video_streams(opened) if one.index == stream.index), None)
            found = same or find_video_stream(opened)
            if found is not None and found.codec_context is not None:
                yield opened, found


def _path(container: InputContainer) -> Path:
    return Path(container.name.partition(PATH)[2])


def _end(packet: Packet[VideoStream], stream: VideoStream) -> int:
    """Return when a packet's frame leaves, in the stream's time base."""
    nominal = Fraction(1) / (stream.average_rate or stream.guessed_rate or 25) / (stream.time_base or 1)
    shown = known_time(packet.pts)
    return ((known_time(packet.dts) or 0) if shown is None else shown) + (packet.duration or max(1, round(nominal)))


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
