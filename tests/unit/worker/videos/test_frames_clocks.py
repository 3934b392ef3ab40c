"""Files whose clocks start again, wrap, leap or stand still: one timeline, nothing lost, and a word about it."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framesense.media.timeline import Timeline
from tests.support.clocks import join, restamp
from tests.support.videos import cut_off, numbered_picture, numbered_video, read_number, render_video, without_tags
from worker.videos.frames import Video, open_video

PIXELS = 10_000_000
X264 = {"preset": "veryfast", "bf": "2", "g": "12"}
TICK = 90_000


def opened(path: Path) -> Video:
    return open_video(path, max_pixels=PIXELS)


def numbers(video: Video, every: float = 0.04) -> list[int]:
    return [read_number(frame.picture) for frame in video.samples(every)]


def part(path: Path, first: int, count: int, *, start: float = 0.0) -> Path:
    """Write a recording of pictures numbered from ``first``, 25 a second, whose clock begins at ``start`` seconds."""
    pictures = [numbered_picture(number, 96, 64) for number in range(first, first + count)]
    return render_video(path, pictures, times=[start + n / 25 for n in range(count)], options=X264)


@pytest.mark.parametrize(
    ("suffix", "starts"),
    [
        ("ts", (0, 0)),
        ("ts", (100, 0)),
        ("ts", (0, 0, 0, 0)),
        ("mpg", (0, 0, 0)),
        ("mkv", (0, 0, 0)),
        ("mkv", (9, 0)),
        ("mkv", (0, 9)),
    ],
)
def test_joined_recordings_are_one_timeline(suffix: str, starts: tuple[float, ...], tmp_path: Path) -> None:
    codec = "mpeg2video" if suffix == "mpg" else "libx264"
    options = {"bf": "0", "g": "12"} if suffix == "mpg" else X264
    parts = [
        render_video(
            tmp_path / f"{n}.{suffix}",
            [numbered_picture(40 * n + k) for k in range(40)],
            times=None if suffix == "mpg" else [start + k / 25 for k in range(40)],
            codec=codec,
            options=options,
        )
        for n, start in enumerate(starts)
    ]
    video = opened(join(tmp_path / f"joined.{suffix}", parts))
    shown = numbers(video, 0.01)
    assert (shown, set(shown)) == (sorted(shown), set(range(40 * len(starts))))
    info = video.info(name="", sha256="", size=1)
    assert video.timeline.duration == pytest.approx(1.6 * len(starts), abs=0.01)
    assert info.fps == pytest.approx(25, rel=0.01)
    assert sum("starts again" in warning for warning in info.warnings) == 1


def test_a_joint_after_many_packets(tmp_path: Path) -> None:
    parts = [part(tmp_path / "a.ts", 0, 1100), part(tmp_path / "b.ts", 1100, 700)]
    video = opened(join(tmp_path / "long.ts", parts))
    assert numbers(video, 2.0) == list(range(0, 1800, 50))
    resumed = [read_number(frame.picture) for frame in video.samples(2.0, start=30)]
    assert resumed == list(range(1500, 1800, 50))


def test_a_clock_that_wraps_goes_on(tmp_path: Path) -> None:
    whole = part(tmp_path / "whole.ts", 0, 60)
    wrapped = restamp(whole, tmp_path / "wrapped.ts", lambda _, time: time - 2 * TICK)
    video = opened(wrapped)
    assert numbers(video) == list(range(60))
    assert (video.warnings, video.timeline.duration) == ([], pytest.approx(2.4))


@pytest.mark.parametrize("place", [50, 97])
@pytest.mark.parametrize("late", [37_600, -30, 30])
def test_one_wild_time_is_mended(late: int, place: int, tmp_path: Path) -> None:
    whole = part(tmp_path / "whole.ts", 0, 100)
    wild = restamp(whole, tmp_path / "wild.ts", lambda number, time: time + late * TICK * (number == place))
    video = opened(wild)
    assert sorted(numbers(video)) == list(range(100))
    assert video.info(name="", sha256="", size=1).duration == pytest.approx(4.0)
    assert any("far away" in warning for warning in video.warnings)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_hole_is_no_copies_of_one_frame(suffix: str, tmp_path: Path) -> None:
    times = [*(n / 25 for n in range(50)), *(3600 + n / 25 for n in range(50))]
    path = render_video(
        tmp_path / f"hole.{suffix}", [numbered_picture(n) for n in range(100)], times=times, options=X264
    )
    video = opened(path)
    frames = list(video.samples(0.2))
    assert [read_number(frame.picture) for frame in frames] == list(range(0, 100, 5))
    assert [frame.time for frame in frames] == pytest.approx(times[::5], abs=0.002)
    assert video.count(0.2) == 20
    (hole,) = video.info(name="", sha256="", size=1).holes
    assert (hole.start, hole.end) == (pytest.approx(2, abs=0.01), pytest.approx(3600, abs=0.01))
    assert any("0:02.0–1:00:00.0" in warning for warning in video.warnings), video.warnings


def test_a_still_is_no_hole(tmp_path: Path) -> None:
    path = render_video(tmp_path / "slides.mp4", [numbered_picture(n) for n in range(5)], times=[0, 20, 40, 60, 80])
    video = opened(path)
    assert numbers(video, 30) == [0, 1, 3]
    assert numbers(video, 10) == numbers(video, 0.2) == [0, 1, 2, 3, 4], "none twice, as none is followed sooner"
    assert video.warnings == []


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "webm"])
@pytest.mark.parametrize("start", [0, 4, 13])
def test_a_picture_that_is_held_is_sampled_again_at_times_of_its_own(suffix: str, start: int, tmp_path: Path) -> None:
    """A frame rate that varies, as of a recorded screen: 10 frames in a second, a still of three, 10 frames again."""
    times = [*(n / 10 for n in range(10)), *(4 + n / 10 for n in range(10))]
    pictures = [numbered_picture(n) for n in range(20)]
    codec = "libvpx" if suffix == "webm" else "libx264"
    video = opened(render_video(tmp_path / f"held.{suffix}", pictures, times=times, codec=codec))
    samples = list(video.samples(0.5, start=start))
    expected = [(0, 0), (0.5, 5), (0.9, 9), *((k / 2, 9) for k in range(3, 8)), (4, 10), (4.5, 15)][start:]
    assert [read_number(frame.picture) for frame in samples] == [number for _, number in expected]
    assert [frame.time for frame in samples] == pytest.approx([time for time, _ in expected], abs=0.002)
    again = list(video.moving_samples(0.5, start=start))
    assert [(frame.index, frame.time) for frame in again] == [(frame.index, frame.time) for frame in samples]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "avi", "ts", "flv"])
@pytest.mark.parametrize("fps", [10, 24, 30000 / 1001])
def test_no_frame_is_sampled_twice_because_the_interval_is_shorter(suffix: str, fps: float, tmp_path: Path) -> None:
    video = opened(numbered_video(tmp_path / f"steady.{suffix}", 30, fps=fps))
    assert video.timeline.frame_interval == pytest.approx(1 / fps, abs=0.001)
    for every in (0.001, 0.01, round(1 / fps - 0.0001, 4), video.timeline.frame_interval):
        samples = list(video.samples(every))
        assert [read_number(frame.picture) for frame in samples] == list(range(30)), every
        assert len(samples) == video.count(every)


def test_a_still_in_a_steady_video_is_sampled_again_as_often_as_frames_come(tmp_path: Path) -> None:
    times = [*(n / 10 for n in range(10)), 2, 2.1, 2.2]
    video = opened(render_video(tmp_path / "still.mkv", [numbered_picture(n) for n in range(13)], times=times))
    samples = list(video.samples(0.02))
    assert [read_number(frame.picture) for frame in samples] == [*range(9), *[9] * 11, 10, 11, 12]
    assert [frame.time for frame in samples] == pytest.approx([n / 10 for n in range(23)], abs=0.002)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "webm", "flv", "ts"])
def test_sound_that_lasts_longer_is_no_damage(suffix: str, tmp_path: Path) -> None:
    codec = "libvpx" if suffix == "webm" else "libx264"
    sound = "libopus" if suffix == "webm" else "aac"
    path = numbered_video(tmp_path / f"long.{suffix}", 50, codec=codec, audio_seconds=8, audio_codec=sound)
    assert opened(path).warnings == []
    nameless = without_tags(path, tmp_path / f"nameless.{suffix}")
    assert opened(nameless).warnings == []


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "flv"])
def test_a_file_that_is_cut_off_says_so(suffix: str, tmp_path: Path) -> None:
    faststart = {"movflags": "faststart"} if suffix == "mp4" else {}
    whole = numbered_video(tmp_path / f"whole.{suffix}", 250, audio_seconds=10, container_options=faststart)
    video = opened(cut_off(whole, tmp_path / f"cut.{suffix}", 0.6))
    assert "lasts 10.0 s" in video.warnings[0]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts", "flv"])
def test_times_of_a_late_picture_are_the_player_s(suffix: str, tmp_path: Path) -> None:
    times = [2 + n / 25 for n in range(100)]
    pictures = [numbered_picture(n) for n in range(100)]
    video = opened(render_video(tmp_path / f"late.{suffix}", pictures, times=times, audio_seconds=6, options=X264))
    frames = list(video.samples(1.0))
    assert [frame.time for frame in frames] == pytest.approx([2, 3, 4, 5], abs=0.05)
    assert [read_number(frame.picture) for frame in frames] == [0, 25, 50, 75]
    info = video.info(name="", sha256="", size=1)
    assert (info.warnings, info.duration) == ([], pytest.approx(6, abs=0.05))


@dataclass(frozen=True)
class Recording:
    """Frames before each of which ``steps`` 25ths of a second pass, on a clock that begins at ``start`` seconds."""

    start: int
    steps: list[int]
    bframes: int
    keyint: int


recordings = st.lists(
    st.builds(
        Recording,
        start=st.sampled_from([0, 0, 3, 50, 40_000]),
        steps=st.lists(st.sampled_from([1, 1, 1, 1, 2, 7, 5000]), min_size=8, max_size=30),
        bframes=st.integers(0, 3),
        keyint=st.integers(1, 20),
    ),
    min_size=1,
    max_size=3,
)


def decoded(path: Path) -> list[tuple[Fraction, int]]:
    """Return (time, number) of every frame of one recording by decoding all of it."""
    with av.open(str(path)) as container:
        shown = []
        for frame in container.decode(video=0):
            assert frame.pts is not None and frame.time_base is not None
            shown.append((frame.pts * frame.time_base, read_number(frame.to_ndarray(format="rgb24").astype(np.uint8))))
    return sorted(shown)


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(joined=recordings, every=st.sampled_from([0.04, 0.2, 1.0]))
def test_any_offsets_gaps_and_joins(tmp_path: Path, joined: list[Recording], every: float) -> None:
    parts, first = [], 0
    for place, one in enumerate(joined):
        options = {"preset": "ultrafast", "x264-params": f"keyint={one.keyint}:bframes={one.bframes}"}
        pictures = [numbered_picture(first + n, 96, 64) for n in range(len(one.steps))]
        times = [one.start + ticks / 25 for ticks in accumulate(one.steps, initial=0)][:-1]
        parts.append(render_video(tmp_path / f"{place}.ts", pictures, times=times, options=options))
        first += len(one.steps)
    video = opened(join(tmp_path / "joined.ts", parts))
    shown = [number for recording in parts for _, number in decoded(recording)]
    assert [time for time in np.diff(video.timeline.times) if time < 0] == []
    assert len(video.timeline.times) == len(shown) == first
    every_frame = {read_number(frame.picture) for frame in video.samples(0.04)}
    assert every_frame == set(shown)
    alone = [opened(recording) for recording in parts]
    if len(parts) == 1:
        expected = [time - decoded(parts[0])[0][0] for time, _ in decoded(parts[0])]
        assert [video.timeline.seconds(int(time)) for time in video.timeline.times] == pytest.approx(
            [float(time) for time in expected], abs=1e-4
        )
    samples = list(video.samples(every))
    assert len(samples) == video.count(every) <= sum(one.count(every) + 70 / every for one in alone)
    assert [frame.time for frame in samples] == sorted(frame.time for frame in samples)


def test_times_that_do_not_fit_are_none(tmp_path: Path) -> None:
    """As damaged files have them: sums of them overflow."""
    path = part(tmp_path / "clip.ts", 0, 30)
    with av.open(str(path)) as container:
        stream, packets = container.streams.video[0], [one for one in container.demux(video=0) if one.size]
        for packet in packets[10:]:
            packet.pts = packet.dts = -(2**63) + 10_000 + (packet.pts or 0)
        timeline = Timeline.read(packets, stream)
    assert (timeline.exact, timeline.frames) == (False, 30)
    assert bool(np.all(np.diff(timeline.times) >= 0))
