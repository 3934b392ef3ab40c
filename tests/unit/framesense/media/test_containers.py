"""Which stream of a file is the video."""

from pathlib import Path

import av
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream

from framesense.media.containers import best_video_stream, open_container
from tests.support.videos import numbered_picture
from worker.videos.frames import open_video


def several(path: Path, streams: list[tuple[str, tuple[int, int], int, Disposition]]) -> Path:
    """Write a file of several pictures: codec, width and height, number of frames, disposition of each."""
    with av.open(str(path), "w") as container:
        writers: list[VideoStream] = []
        for codec, (width, height), _, disposition in streams:
            writer = container.add_stream(codec, rate=25)
            assert isinstance(writer, VideoStream)
            writer.width, writer.height = width, height
            writer.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            writer.disposition = disposition
            writers.append(writer)
        for writer, (_, (width, height), count, _) in zip(writers, streams, strict=True):
            for number in range(count):
                frame = av.VideoFrame.from_ndarray(numbered_picture(number, width, height), format="rgb24")
                frame.pts = number
                container.mux(writer.encode(frame))
            container.mux(writer.encode(None))
    return path


NONE, DEFAULT = Disposition(0), Disposition.default
FILM, SMALL = ("libx264", (192, 128), 50), ("libx264", (96, 64), 50)


@pytest.mark.parametrize(
    ("streams", "used", "said"),
    [
        ([("mjpeg", (640, 480), 1, NONE), (*FILM, NONE)], 1, False),
        ([("mjpeg", (640, 480), 1, Disposition.attached_pic), (*FILM, NONE)], 1, False),
        ([(*FILM, NONE), ("mjpeg", (640, 480), 1, NONE)], 0, False),
        ([(*FILM, NONE), (*SMALL, DEFAULT)], 1, True),
        ([(*SMALL, DEFAULT), (*FILM, NONE)], 0, True),
    ],
)
def test_the_video_is_the_one_that_players_show(
    streams: list[tuple[str, tuple[int, int], int, Disposition]], used: int, said: bool, tmp_path: Path
) -> None:
    path = several(tmp_path / "several.mp4", streams)
    with open_container(path) as container:
        best = best_video_stream(container)
        assert best is not None
        assert (best.codec_context.width, best.codec_context.height) == streams[used][1]
    video = open_video(path, max_pixels=10_000_000)
    assert (video.width, video.height) == streams[used][1]
    assert len(list(video.samples(0.04))) == 50
    assert any(f"stream {used}, " in warning for warning in video.warnings) == said
