"""Videos in containers of every kind, with odd clocks, rotations and orders of streams."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from tests.support.videos import numbered_picture

CODECS = {"webm": "libvpx", "mpg": "mpeg2video", "avi": "mpeg4"}
"""Of containers that are not written as H.264."""
SIDED = ("mp4", "mov", "mkv", "frag.mp4")
"""Containers that are written with several streams."""
TURNED = ("mp4", "mov", "frag.mp4")
"""Containers that are written with a rotation."""
STEADY = ("avi", "mpg")
"""Containers that have no times of their own for each frame."""
FPS = 25


@dataclass(frozen=True)
class Recipe:
    """A video to write.

    ``steps``: 25ths of a second after which each frame but the first follows; ``offset``: seconds before the first;
    ``keyint``: most frames from one key frame to the next; ``before``: what other streams come first: ``cover``,
    ``sound``, ``small`` (another video).
    """

    container: str
    steps: tuple[int, ...]
    offset: float = 0.0
    keyint: int = 12
    bframes: int = 0
    rotation: int = 0
    before: tuple[str, ...] = ()

    @property
    def times(self) -> list[float]:
        """Seconds at which the frames are shown."""
        return [self.offset + step / FPS for step in accumulate(self.steps, initial=0)]


def write(path: Path, recipe: Recipe, *, first: int = 0) -> int:
    """Write a video of numbered pictures; return its stream's number."""
    steady = recipe.container in STEADY
    options = {"movflags": "frag_keyframe+empty_moov"} if recipe.container == "frag.mp4" else {}
    with av.open(str(path), "w", container_options=options) as container:
        others = [_add(container, kind) for kind in recipe.before if recipe.container in SIDED]
        codec = CODECS.get(recipe.container, "libx264")
        video = container.add_stream(codec, rate=FPS, options=_options(codec, recipe))
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        video.codec_context.time_base = Fraction(1, FPS) if steady else Fraction(1, 1000)
        if recipe.rotation and recipe.container in TURNED:
            video.set_display_rotation(-recipe.rotation)
        container.start_encoding()
        for stream in others:
            _fill(container, stream)
        for number, time in enumerate(recipe.times):
            picture = np.rot90(numbered_picture(first + number, 96, 64), _turns(recipe))
            if _turns(recipe) % 2:
                picture = np.rot90(numbered_picture(first + number, 64, 96), _turns(recipe))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.time_base = video.codec_context.time_base
            frame.pts = number if steady else round(time * 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        return video.index


def _turns(recipe: Recipe) -> int:
    """Quarter turns, counter-clockwise, that the rotation undoes."""
    return recipe.rotation // 90 if recipe.container in TURNED else 0


def _options(codec: str, recipe: Recipe) -> dict[str, str]:
    if codec == "libvpx":
        return {"g": str(recipe.keyint), "deadline": "realtime", "cpu-used": "8"}
    if codec == "libx264":
        parameters = f"keyint={recipe.keyint}:bframes={recipe.bframes}:scenecut=0"
        return {"preset": "ultrafast", "crf": "18", "x264-params": parameters}
    return {"g": str(recipe.keyint), "bf": str(recipe.bframes), "qmin": "2", "qmax": "2"}


def _add(container: Any, kind: str) -> VideoStream | AudioStream:
    if kind == "sound":
        sound: AudioStream = container.add_stream("aac", rate=48000)
        return sound
    video: VideoStream = container.add_stream("mjpeg" if kind == "cover" else "libx264", rate=FPS)
    video.width, video.height = (320, 240) if kind == "cover" else (48, 32)
    video.pix_fmt = "yuvj420p" if kind == "cover" else "yuv420p"
    return video


def _fill(container: Any, stream: VideoStream | AudioStream) -> None:
    if isinstance(stream, AudioStream):
        for start in range(0, 48000, 1024):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 48000, start
            container.mux(stream.encode(silence))
    else:
        for number in range(1 if stream.width == 320 else 20):
            picture = numbered_picture(3000 + number, stream.width, stream.height)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
