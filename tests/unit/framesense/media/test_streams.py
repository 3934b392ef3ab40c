"""Which stream of a file is the video."""

from pathlib import Path

import av
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream

from framesense.http.problems import ProblemError
from framesense.media.clips import cut_clip, join_clips
from framesense.media.containers import open_container
from framesense.media.probe import probe_video
from framesense.media.streams import find_video_stream
from framesense.media.stretches import Stretch
from tests.support.videos import numbered_picture, read_number
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
                picture = numbered_picture(1000 * writer.index + number, width, height)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
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
        best = find_video_stream(container)
        assert best is not None
        assert (best.codec_context.width, best.codec_context.height) == streams[used][1]
    video = open_video(path, max_pixels=10_000_000)
    assert (video.width, video.height) == streams[used][1]
    assert len(list(video.samples(0.04))) == 50
    assert any(f"Stream {used} was used" in warning for warning in video.warnings) == said


@pytest.fixture
def two_films(tmp_path: Path) -> Path:
    """A film in stream 0 and a smaller one in stream 1, whose pictures are numbered from 1000."""
    return several(tmp_path / "two.mp4", [(*FILM, NONE), (*SMALL, NONE)])


def test_another_video_of_the_file_can_be_chosen(two_films: Path) -> None:
    video = open_video(two_films, max_pixels=10_000_000, number=1)
    assert [read_number(frame.picture) for frame in video.samples(0.4)] == [1000, 1010, 1020, 1030, 1040]
    info = video.info(name="", sha256="", size=1)
    assert (info.video_stream, info.width) == (1, 96)
    assert [(one.number, one.width, one.shown_first) for one in info.video_streams] == [(0, 192, True), (1, 96, False)]
    (warning,) = info.warnings
    assert "stream 0 (192 × 128, h264) and stream 1 (96 × 64, h264). Stream 1 was used" in warning
    assert "as was chosen" in warning and "video_stream" in warning


@pytest.mark.parametrize(("number", "first"), [(None, 0), (0, 0), (1, 1000)])
def test_clips_are_of_the_same_video(two_films: Path, number: int | None, first: int, tmp_path: Path) -> None:
    cut_clip(two_films, tmp_path / "cut.mp4", Stretch(0.4, 0.8), number=number)
    join_clips(two_films, tmp_path / "join.mp4", [Stretch(0.4, 0.8)], number=number)
    for name in ("cut.mp4", "join.mp4"):
        with av.open(str(tmp_path / name)) as container:
            shown = [read_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
        assert set(range(first + 10, first + 21)) <= set(shown) <= set(range(first, first + 50))


@pytest.mark.parametrize("number", [2, 7])
def test_a_number_that_is_no_video_s_is_refused(two_films: Path, number: int) -> None:
    with pytest.raises(ProblemError, match=r"stream 0 .* and stream 1") as refused:
        open_video(two_films, max_pixels=10_000_000, number=number)
    assert refused.value.status == 422
    probe = probe_video(two_films, number)
    assert (probe.video_stream, probe.duration) == (None, None)
    assert [one.number for one in probe.video_streams] == [0, 1]
