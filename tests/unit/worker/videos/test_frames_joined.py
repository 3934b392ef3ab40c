"""Several recordings in one file, and streams that change in the middle: decoded right, or a warning says so."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from framesense.media.clips import cut_clip
from framesense.media.probe import probe_video
from framesense.media.stretches import Stretch
from tests.support.clocks import join
from tests.support.videos import numbered_picture, numbered_video, read_number
from worker.videos.frames import Video, open_video

MAIN = {"preset": "veryfast", "bf": "2", "g": "12"}
BASELINE = {"preset": "ultrafast", "bf": "0", "g": "12", "profile": "baseline"}
REFINED = {"preset": "slow", "bf": "3", "g": "12", "x264-params": "ref=5:8x8dct=1"}
GLOBAL_HEADER = 0x400000
"""AV_CODEC_FLAG_GLOBAL_HEADER: parameters are in the header alone."""
CODECS = {"webm": "libvpx", "avi": "mpeg4", "asf": "mpeg4", "mpg": "mpeg2video"}


def opened(path: Path) -> Video:
    return open_video(path, max_pixels=1_000_000)


def sampled(path: Path, every: float = 0.2) -> list[int]:
    samples = list(opened(path).samples(every))
    assert all(before.time < after.time for before, after in pairwise(samples))
    return [read_number(frame.picture) for frame in samples]


@pytest.fixture
def parts(tmp_path: Path, suffix: str) -> list[Path]:
    """Three recordings, 120 frames in all, of other settings and sizes each."""
    codec = CODECS.get(suffix, "libx264")
    ways: list[tuple[tuple[int, int], dict[str, str]]] = [
        ((192, 128), MAIN),
        ((192, 128), BASELINE),
        ((320, 192), REFINED),
    ]
    return [
        numbered_video(
            tmp_path / f"{place}.{suffix}",
            40,
            size=size,
            first=40 * place,
            codec=codec,
            options=options if codec == "libx264" else {"g": "12"},
        )
        for place, (size, options) in enumerate(ways)
    ]


@pytest.mark.parametrize("suffix", ["mkv", "webm", "mp4", "mov", "flv", "avi", "asf", "nut", "ts"])
def test_recordings_of_other_settings_are_decoded_by_their_own(suffix: str, parts: list[Path], tmp_path: Path) -> None:
    path = join(tmp_path / f"joined.{suffix}", parts)
    assert sampled(path) == list(range(0, 120, 5))
    video = opened(path)
    assert [read_number(frame.picture) for frame in video.samples(0.2, start=13)] == list(range(65, 120, 5))
    info = video.info(name="", sha256="", size=1)
    assert (info.duration, info.fps) == (pytest.approx(4.8, abs=0.01), pytest.approx(25, rel=0.02))
    (warning,) = info.warnings
    assert "recordings were joined" in warning and "0:01.6, 0:03.2" in warning
    assert probe_video(path).duration == pytest.approx(4.8, abs=0.01)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "flv"])
def test_a_clip_across_the_joint_shows_both(suffix: str, parts: list[Path], tmp_path: Path) -> None:
    cut_clip(join(tmp_path / f"joined.{suffix}", parts), tmp_path / "clip.mp4", Stretch(1.2, 2.0))
    assert sampled(tmp_path / "clip.mp4") == [30, 35, 40, 45, 50]


@pytest.mark.parametrize("suffix", ["mkv"])
def test_recordings_of_unknown_length_are_found(suffix: str, parts: list[Path], tmp_path: Path) -> None:
    """As a camera writes that cannot go back to its header."""
    live = []
    for part in parts:
        with (
            av.open(str(part)) as reader,
            av.open(str(tmp_path / f"live-{part.name}"), "w", container_options={"live": "1"}) as writer,
        ):
            copy = writer.add_stream_from_template(reader.streams.video[0])
            for packet in reader.demux(video=0):
                if packet.size:
                    packet.stream = copy
                    writer.mux(packet)
        live.append(tmp_path / f"live-{part.name}")
    assert sampled(join(tmp_path / "joined.mkv", live)) == list(range(0, 120, 5))


@pytest.mark.parametrize("suffix", ["mp4"])
def test_what_follows_and_cannot_be_read_is_said(suffix: str, parts: list[Path], tmp_path: Path) -> None:
    damaged = bytearray(parts[1].read_bytes())
    at = damaged.index(b"moov") + 4
    damaged[at:] = bytes(len(damaged) - at)
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    path = join(tmp_path / "joined.mp4", [parts[0], tmp_path / "damaged.mp4"])
    assert sampled(path) == list(range(0, 40, 5))
    assert "1 more recording" in opened(path).warnings[0]


def mixed(path: Path, codec: str, first: dict[str, str], second: dict[str, str], size: tuple[int, int]) -> Path:
    """Write 40 frames of one encoder, then 40 of another, by one header: the first one's."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=first)
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuv420p"
        other: Any = av.CodecContext.create(codec, "w")
        (other.width, other.height), other.pix_fmt = size, "yuv420p"
        other.time_base, other.framerate, other.options = Fraction(1, 25), Fraction(25), second
        other.flags |= GLOBAL_HEADER
        for encoder, numbers, (width, height) in ((stream, range(40), (192, 128)), (other, range(40, 80), size)):
            frames = [av.VideoFrame.from_ndarray(numbered_picture(n, width, height), format="rgb24") for n in numbers]
            for number, frame in zip(numbers, frames, strict=True):
                frame.pts, frame.time_base = number, Fraction(1, 25)
            for packet in [packet for frame in (*frames, None) for packet in encoder.encode(frame)]:
                packet.stream, packet.time_base = stream, Fraction(1, 25)
                container.mux(packet)
    return path


X265 = {"x265-params": "log-level=none"}


@pytest.mark.parametrize(
    ("codec", "first", "second", "size"),
    [
        ("libx264", MAIN, BASELINE, (192, 128)),
        ("libx264", MAIN, MAIN, (320, 192)),
        ("libx264", BASELINE, BASELINE, (320, 192)),
        ("mpeg4", {}, {}, (320, 192)),
        ("libx265", {**X265, "preset": "ultrafast"}, {**X265, "preset": "fast"}, (192, 128)),
    ],
)
def test_a_stream_that_its_header_does_not_fit_shows_nothing_wrong(
    codec: str, first: dict[str, str], second: dict[str, str], size: tuple[int, int], tmp_path: Path
) -> None:
    path = mixed(tmp_path / "mixed.mp4", codec, first, second, size)
    video = opened(path)
    numbers = [read_number(frame.picture) for frame in video.samples(0.2)]
    assert numbers[:8] == list(range(0, 40, 5))
    assert set(numbers[8:]) <= {37, 38, 39}, "the last frame before stands in"
    assert any("could not be decoded" in warning for warning in video.warnings)


def test_where_only_some_frames_do_not_fit_a_warning_says_so(tmp_path: Path) -> None:
    video = opened(mixed(tmp_path / "mixed.mp4", "libx264", MAIN, REFINED, (192, 128)))
    numbers = [read_number(frame.picture) for frame in video.samples(0.2)]
    assert numbers[:8] == list(range(0, 40, 5))
    assert numbers[8:] != list(range(40, 80, 5))
    assert any("may be wrong" in warning and "about 1.6 s" in warning for warning in video.warnings), video.warnings


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_no_ordinary_video_is_said_to_break_rules(codec: str, tmp_path: Path) -> None:
    """Open groups begin with frames that do not decode after a seek."""
    how = "open-gop=1:keyint=10:min-keyint=10:bframes=3:scenecut=0"
    options = {"x264-params": how} if codec == "libx264" else {"x265-params": f"{how}:log-level=none"}
    for suffix in ("mp4", "ts"):
        path = numbered_video(tmp_path / f"open.{suffix}", 80, codec=codec, options=options)
        video = opened(path)
        assert [read_number(frame.picture) for frame in video.samples(0.6, start=1)] == [15, 30, 45, 60, 75]
        assert video.warnings == []
