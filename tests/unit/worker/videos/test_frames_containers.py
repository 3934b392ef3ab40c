"""Generated containers: samples are what a plain decode of everything has on screen, whatever way they were found."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.clocks import join
from tests.support.containers import FPS, STEADY, Recipe, write
from tests.support.sampling import plain_samples
from tests.support.videos import read_number
from worker.videos.frames import Video, open_video

HOLE = 60.0
CONTAINERS = ("mp4", "mov", "mkv", "webm", "ts", "flv", "nut", "frag.mp4", "avi", "mpg")

recipes = st.builds(
    Recipe,
    container=st.sampled_from(CONTAINERS),
    # A pause, then frames as usual: what is usual is to be known.
    steps=st.lists(st.tuples(st.sampled_from([1, 1, 2, 7, 90, 2500]), st.integers(3, 9)), min_size=2, max_size=10).map(
        lambda runs: tuple(step for pause, usual in runs for step in (pause, *[1] * usual))
    ),
    offset=st.sampled_from([0.0, 0.0, 0.52, 3.0, 47.0]),
    keyint=st.integers(1, 10),
    bframes=st.integers(0, 3),
    rotation=st.sampled_from([0, 0, 90, 180, 270]),
    before=st.lists(st.sampled_from(["cover", "sound", "small"]), max_size=2, unique=True).map(tuple),
)


def normal(recipe: Recipe) -> Recipe:
    """The recipe without what its container cannot hold."""
    if recipe.container in STEADY:
        return replace(recipe, steps=(1,) * len(recipe.steps), offset=0.0)
    return recipe


def decoded(path: Path, number: int) -> list[tuple[Fraction, Fraction, int]]:
    """Time, duration and number of every frame, by decoding all of the stream."""
    with av.open(str(path)) as container:
        stream = container.streams[number]
        found = []
        for count, frame in enumerate(container.decode(stream)):
            assert isinstance(frame, av.VideoFrame)
            assert frame.time_base is not None
            # Of a program stream's frames that share a packet only the first has a time.
            steady = container.format.name in ("avi", "mpeg") or frame.pts is None
            time = Fraction(count, FPS) if steady else frame.pts * frame.time_base
            length = frame.duration * frame.time_base or Fraction(1, FPS)
            picture = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            found.append((time, length, read_number(np.ascontiguousarray(picture))))
    return sorted(found)


def expected(shown: list[tuple[Fraction, Fraction, int]], every: float, video: Video) -> list[tuple[float, int]]:
    """Seconds after the first frame, and number, of what is sampled of each stretch of frames."""
    start, samples = shown[0][0], list[tuple[float, int]]()
    cuts = [n for n in range(1, len(shown)) if shown[n][0] - shown[n - 1][0] > HOLE]
    for begin, end in zip([0, *cuts], [*cuts, len(shown)], strict=True):
        stretch = shown[begin:end]
        length = stretch[-1][1] if end == len(shown) else Fraction(1, FPS)
        found = plain_samples([(time, number) for time, _, number in stretch], stretch[-1][0] + length, every, video)
        samples.extend((float(time - start), number) for time, number in found)
    return samples


def sampled(video: Video, every: float, start: int = 0) -> list[tuple[float, int]]:
    zero = video.timeline.seconds(video.timeline.spans[0][0])
    return [(frame.time - zero, read_number(frame.picture)) for frame in video.samples(every, start=start)]


def close(found: list[tuple[float, int]], right: list[tuple[float, int]]) -> bool:
    return [number for _, number in found] == [number for _, number in right] and all(
        abs(one - other) < 0.0015 for (one, _), (other, _) in zip(found, right, strict=True)
    )


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe=recipes.map(normal), every=st.sampled_from([0.04, 0.52, 1.72]), start=st.integers(0, 20))
def test_any_container_is_sampled_as_a_plain_decode_shows_it(
    tmp_path: Path, recipe: Recipe, every: float, start: int
) -> None:
    path = tmp_path / f"clip.{recipe.container}"
    number = write(path, recipe)
    video = open_video(path, max_pixels=1_000_000, number=number)
    right = expected(decoded(path, number), every, video)
    assert close(sampled(video, every), right)
    assert video.count(every) == len(right)
    assert close(sampled(open_video(path, max_pixels=1_000_000, number=number), every, start), right[start:])
    zero = video.timeline.seconds(video.timeline.spans[0][0])
    moving = [(frame.time - zero, read_number(frame.picture)) for frame in video.moving_samples(every)]
    assert close(moving, right)
    assert any("no frames for a long time" in warning for warning in video.warnings) == (2500 in recipe.steps)


def test_the_index_is_used_where_there_is_one(tmp_path: Path) -> None:
    for container in CONTAINERS:
        recipe = Recipe(container, (1,) * 120, keyint=10)
        write(tmp_path / f"clip.{container}", recipe)
        video = open_video(tmp_path / f"clip.{container}", max_pixels=1_000_000)
        assert (video.timeline.runs[0].seek is not None) == (container in ("mp4", "mov", "mkv", "webm", "frag.mp4"))
        if video.timeline.runs[0].seek is not None:
            assert len(video.timeline.pts) < 30, "of 121 packets only the first were read"


@pytest.mark.parametrize("container", ["ts", "mkv", "mpg"])
@pytest.mark.parametrize("every", [0.04, 0.52])
def test_two_recordings_in_one_file(container: str, every: float, tmp_path: Path) -> None:
    write(tmp_path / f"a.{container}", Recipe(container, (1,) * 79, keyint=8, bframes=2))
    write(tmp_path / f"b.{container}", Recipe(container, (1,) * 59, keyint=8, bframes=2), first=80)
    video = open_video(
        join(tmp_path / f"joined.{container}", [tmp_path / f"a.{container}", tmp_path / f"b.{container}"]),
        max_pixels=1_000_000,
    )
    right = [(n / FPS, n) for n in range(140)]
    step = round(every * FPS)
    assert close(sampled(video, every), right[::step])
    assert close(sampled(video, every, 5), right[::step][5:])
    assert any("starts again" in warning for warning in video.warnings)


@pytest.mark.parametrize(("keyint", "bframes"), [(8, 1), (12, 2), (12, 3), (3, 2)])
@pytest.mark.parametrize("frames", [60, 200])
def test_frames_of_a_program_stream_that_share_a_packet_come_each_once(
    keyint: int, bframes: int, frames: int, tmp_path: Path
) -> None:
    write(tmp_path / "clip.mpg", Recipe("mpg", (1,) * (frames - 1), keyint=keyint, bframes=bframes))
    video = open_video(tmp_path / "clip.mpg", max_pixels=1_000_000)
    assert close(sampled(video, 0.04), [(n / FPS, n) for n in range(frames)])
    assert close(sampled(video, 0.2, 3), [(n / FPS, n) for n in range(15, frames, 5)])


RARE = (
    (*[1] * 9, *[2500] * 7, *[1] * 9, 2500, 1, 2500, *[1] * 9),
    (1, 100, 1, 1, 1, 2500, 7, 100, 7, 1, 2500, 7, 100, 7, 2500, 7, 1, 1, 1, 100, 100, 1, 7),
    (1, 2500, 1, 2500, 1, 1, 1, 100, 7, 1, 7, 7, 1, 100, 1, 1, 1, 1, 7, 2500, 2500, 100, 1, 1, 1),
    (2500, 2500, 7, 100, 1, 1, 7, 1, 7, 1, 1, 2500, 1, 2500, 2500, 100, 2500, 1, 7, 1, 1, 2500, 2500, 1, 2500, 2500, 1),
)


@pytest.mark.parametrize("steps", RARE)
@pytest.mark.parametrize("container", ["mkv", "mp4", "ts", "flv"])
@pytest.mark.parametrize("bframes", [0, 3, 4])
def test_single_frames_between_long_gaps_are_no_restarted_clock(
    container: str, bframes: int, steps: tuple[int, ...], tmp_path: Path
) -> None:
    """As of a camera that records a frame when something moves."""
    write(tmp_path / f"rare.{container}", Recipe(container, steps, keyint=9, bframes=bframes))
    video = open_video(tmp_path / f"rare.{container}", max_pixels=1_000_000)
    numbers = [read_number(frame.picture) for frame in video.samples(0.04)]
    assert (numbers, set(numbers)) == (sorted(numbers), set(range(len(steps) + 1)))
    assert not any("starts again" in warning or "far away" in warning for warning in video.warnings), video.warnings
