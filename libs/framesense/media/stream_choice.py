"""Which pictures of a file there are to choose from, in words."""

from collections.abc import Sequence

from framesense.http.problems import ProblemError
from framesense.schemas.videos import VideoStreamInfo


def unknown_stream(number: int, streams: Sequence[VideoStreamInfo]) -> ProblemError:
    """Describe a number that is none of these streams'."""
    detail = f"The file has no video in stream {number}. It has {list_streams(streams)}: choose by video_stream."
    return ProblemError(422, "unknown-video-stream", "Unknown video stream", detail)


def list_streams(streams: Sequence[VideoStreamInfo]) -> str:
    """List streams in words: ``stream 0 (1920 × 1080, h264) and stream 2 (640 × 360, h264)``."""
    named = [f"stream {one.number} ({one.width} × {one.height}, {one.codec})" for one in streams]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
