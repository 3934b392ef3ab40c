"""Odd and ordinary videos, rendered when a test needs them.

Every frame carries its own number as a row of black and white squares, so a test can tell which frame it was given
whatever the codec, the scaling or the rotation did to it.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

BITS = 12
"""Squares a frame's number is written in."""
TIME_BASE = Fraction(1, 12800)


def numbered_picture(number: int, width: int = 192, height: int = 128, hue: int | None = None) -> NDArray[np.uint8]:
    """Height × width × 3: the number in squares across the upper half, a colour that changes with it below."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        picture[: height // 2, left:right] = 255 * (number >> bit & 1)
    shade = (number * 37 if hue is None else hue) % 256
    picture[height // 2 :] = (shade, 255 - shade, 128)
    return picture


def read_number(picture: NDArray[np.uint8]) -> int:
    """The number that :func:`numbered_picture` wrote, from a picture of any size."""
    height, width = picture.shape[:2]
    row = picture[height // 4].mean(axis=1)
    centres = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    return sum(1 << bit for bit, x in enumerate(centres) if row[x] > 127)


def render_video(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    times: Sequence[float] | None = None,
    fps: float = 25,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    options: dict[str, str] | None = None,
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    container_options: dict[str, str] | None = None,
    audio_seconds: float = 0,
    audio_codec: str = "aac",
) -> Path:
    """Writes a video; the container follows from the suffix. ``times``: seconds at which each picture is first shown
    (any rising sequence makes a variable frame rate), by default even at ``fps``. ``rotation``: degrees clockwise a
    player should turn it, multiples of 90."""
    height, width = pictures[0].shape[:2]
    defaults = {"preset": "ultrafast", "crf": "18"} if codec.startswith("libx26") else {}
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream(codec, rate=rate, options={**defaults, **(options or {})})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.time_base = TIME_BASE if times is not None else 1 / rate
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation:
            stream.set_display_rotation(-rotation)
        sound = container.add_stream(audio_codec, rate=48000) if audio_seconds else None
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = number if times is None else round(times[number] / TIME_BASE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            for start in range(0, int(48000 * audio_seconds), 960):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 960), dtype=np.float32), format="fltp", layout="mono")
                silence.sample_rate, silence.pts = 48000, start
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def numbered_video(
    path: Path, frames: int, *, size: tuple[int, int] = (192, 128), first: int = 0, **how: object
) -> Path:
    """:func:`render_video` of pictures numbered from ``first``. ``size``: width, height."""
    return render_video(path, [numbered_picture(first + n, *size) for n in range(frames)], **how)  # type: ignore[arg-type]


def several_videos(path: Path, videos: Sequence[tuple[int, int, int]]) -> Path:
    """One file of several H.264 videos at 25 a second: width, height and number of frames of each."""
    with av.open(str(path), "w") as container:
        writers = []
        for width, height, _ in videos:
            writer = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            assert isinstance(writer, VideoStream)
            writer.width, writer.height, writer.pix_fmt = width, height, "yuv420p"
            writers.append(writer)
        for writer, (width, height, count) in zip(writers, videos, strict=True):
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(numbered_picture(number, width, height), format="rgb24")
                frame.pts = number
                container.mux(writer.encode(frame))
            container.mux(writer.encode(None))
    return path


def hlg_video(path: Path, frames: int) -> Path:
    """10-bit HEVC in BT.2020 and HLG: bands of grey and of colours, 192 × 128."""
    signal = np.zeros((128, 192, 3), dtype=np.uint16)
    signal[:] = np.linspace(0.05, 0.75, 192)[None, :, None] * 65535
    signal[64:, 96:, 0] //= 2
    with av.open(str(path), "w") as container:
        parameters = "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc:qp=4"
        stream = container.add_stream("libx265", rate=25, options={"x265-params": parameters})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(signal, format="rgb48le")
        frame = frame.reformat(format="yuv420p10le", dst_colorspace="BT2020", dst_color_range="MPEG")
        for number in range(frames):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def audio_only(path: Path, seconds: float = 1.0) -> Path:
    """An MP4 with sound and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        for start in range(0, int(8000 * seconds), 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def without_tags(source: Path, path: Path) -> Path:
    """Copy a file that then states no streams' durations in tags."""
    path.write_bytes(source.read_bytes().replace(b"DURATION", b"DURATI0N"))
    return path


def cut_off(source: Path, path: Path, keep: float) -> Path:
    """The first ``keep`` (0 … 1) of a file's bytes."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def with_unknown_codec(source: Path, path: Path) -> Path:
    """An H.264 MP4 relabelled as MPEG-5 EVC, which libavcodec knows by name and cannot decode."""
    path.write_bytes(source.read_bytes().replace(b"avc1", b"evc1"))
    return path
