"""Which of a file's streams is the video: the one that players show first, or the one that was chosen by its number."""

from __future__ import annotations

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from framesense.media.stream_choice import unknown_stream
from framesense.schemas.videos import VideoStreamInfo

COVER_CODECS = {"mjpeg", "png", "bmp", "gif", "webp"}
"""Codecs of cover pictures."""
COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
"""Marks of video streams that are pictures beside the video."""

ISO_MEDIA = "mov,mp4,m4a,3gp,3g2,mj2"


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Return a container's pictures that move, in order; covers and thumbnails only where there is nothing else.

    Covers often lack their mark: of several streams those of a single picture are taken for covers.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & COVERS]
    moving = [stream for stream in streams if not _is_single_picture(stream)]
    return moving or streams


def find_video_stream(container: InputContainer, number: int | None = None) -> VideoStream | None:
    """Return the stream with this number, else the one that players show first; None for a file without a picture.

    The latter is the one that ffmpeg's ``av_find_best_stream`` picks, which honours the default flag. One that can be
    decoded goes before one that cannot.

    Raises ProblemError 422 for a number that is no picture's.
    """
    streams = video_streams(container)
    if number is not None:
        chosen = next((stream for stream in streams if stream.index == number), None)
        if chosen is None and streams:
            raise unknown_stream(number, describe_streams(container))
        return chosen
    decodable = [stream for stream in streams if stream.codec_context is not None] or streams
    best = container.streams.best("video")
    return next((stream for stream in decodable if stream is best), decodable[0] if decodable else None)


def describe_streams(container: InputContainer) -> list[VideoStreamInfo]:
    """Describe the streams of :func:`video_streams`."""
    main = find_video_stream(container)
    return [_described(stream, stream is main) for stream in video_streams(container)]


def _described(stream: VideoStream, shown_first: bool) -> VideoStreamInfo:
    context = stream.codec_context
    known = context is not None
    return VideoStreamInfo(
        number=stream.index,
        width=max(0, context.width) if known else 0,
        height=max(0, context.height) if known else 0,
        codec=context.codec.canonical_name if known else "unknown",
        shown_first=shown_first,
    )


def _is_single_picture(stream: VideoStream) -> bool:
    return stream.codec_context is not None and stream.codec_context.name in COVER_CODECS and stream.frames == 1


def is_truncated(stream: VideoStream) -> bool:
    """Tell whether a stream's packets go on after the end of the file, as an MP4's index says."""
    container, entries = stream.container, stream.index_entries
    if not isinstance(container, InputContainer) or container.format.name != ISO_MEDIA or not len(entries):
        return False
    last = entries[len(entries) - 1]
    return 0 < container.size < last.pos + last.size
