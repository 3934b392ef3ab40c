"""``python -m benchmarks.seeking``: a frame every ten seconds of an hour of video, against decoding all of it.

The hour is a minute of moving noise in H.264 with a key frame every two seconds, repeated packet by packet. Measured
are CPU-seconds of this process and the bytes that it reads; that the frames are the same is for the tests.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from framesense.media.containers import open_container
from framesense.media.streams import find_video_stream
from worker.videos.frames import open_video

MINUTE, FPS, SIZE = 60, 25, (320, 180)
EVERY = 10.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60, help="length of the video")
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="seeking-") as folder:
        minute = _render(Path(folder) / "minute.mp4")
        for suffix in ("mp4", "mkv", "ts"):
            _report(_repeat(minute, Path(folder) / f"long.{suffix}", minutes))


def _report(path: Path) -> None:
    sampled, read, frames = _cost(lambda: _sample(path, 0))
    resumed, read_again, _ = _cost(lambda: _sample(path, frames - frames // 10))
    whole, _, every = _cost(lambda: _decode(path))
    size = path.stat().st_size
    print(
        f"{path.suffix}: {frames} of {every} frames, {size / 1e6:.0f} MB; sampling {sampled:.2f} CPU-s and "
        f"{100 * read / size:.0f} % of the file read, the last tenth alone {resumed:.2f} CPU-s and "
        f"{100 * read_again / size:.0f} %; decoding everything {whole:.1f} CPU-s: {whole / sampled:.1f} times"
    )


def _cost(work: Callable[[], int]) -> tuple[float, int, int]:
    """Return CPU-seconds, bytes read and what was returned."""
    before, read = os.times(), _bytes_read()
    result = work()
    after = os.times()
    return after.user + after.system - before.user - before.system, _bytes_read() - read, result


def _bytes_read() -> int:
    """Return the bytes that this process has read so far, from caches too (Linux)."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar")))


def _sample(path: Path, start: int) -> int:
    return sum(1 for _ in open_video(path, max_pixels=2**30).samples(EVERY, start=start))


def _decode(path: Path) -> int:
    with open_container(path) as container:
        stream = find_video_stream(container)
        assert stream is not None
        stream.thread_type = "AUTO"
        return sum(1 for _ in container.decode(stream))


def _render(path: Path) -> Path:
    generator = np.random.default_rng(0)
    scene = cv2.GaussianBlur(generator.integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8), (0, 0), 1)
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "crf": "12", "x264-params": f"keyint={2 * FPS}:scenecut=0"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        assert isinstance(stream, VideoStream)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        for number in range(MINUTE * FPS):
            picture: NDArray[np.uint8] = np.roll(scene, (number, 2 * number), axis=(0, 1)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _repeat(source: Path, path: Path, times: int) -> Path:
    with av.open(str(source)) as reader:
        packets = [packet for packet in reader.demux(video=0) if packet.size]
        template = reader.streams.video[0]
        stamps = [(packet.pts or 0, packet.dts or 0) for packet in packets]
        length = round(Fraction(MINUTE) / (template.time_base or Fraction(1, 1000)))
        with av.open(str(path), "w") as writer:
            stream = writer.add_stream_from_template(template)
            for turn in range(times):
                for packet, (pts, dts) in zip(packets, stamps, strict=True):
                    packet.time_base, packet.stream = template.time_base or Fraction(1, 1000), stream
                    packet.pts, packet.dts = pts + turn * length, dts + turn * length
                    writer.mux(packet)
    return path


if __name__ == "__main__":
    main()
