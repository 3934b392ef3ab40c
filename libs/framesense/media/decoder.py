"""Decode the packets of a video that may hold recordings of different kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from av import Packet, VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream


class Decoder:
    """Decodes packets, each by the parameters of its own recording.

    ``prepare``: called for every recording's stream before it is decoded.
    """

    def __init__(self, stream: VideoStream, prepare: Callable[[VideoStream], None] = lambda stream: None) -> None:
        self._stream, self._prepare = stream, prepare

    @property
    def stream(self) -> VideoStream:
        """Return the stream of the last packet."""
        return self._stream

    @property
    def context(self) -> VideoCodecContext:
        """Return the codec context of the last packet's stream."""
        return self._stream.codec_context

    def decode(self, packet: Packet[Any] | None) -> list[VideoFrame]:
        """Return the frames that a packet completes; None: those that are held back. Raises av.FFmpegError."""
        held: list[VideoFrame] = []
        if packet is not None and packet.stream is not self._stream:
            held = self.context.decode(None)
            self._stream = packet.stream
            self._prepare(self._stream)
        return [*held, *self.context.decode(packet)]
