"""Clips cut out of videos whose every frame carries its number."""

from pathlib import Path

import av
import numpy as np
import pytest

from framesense.media.clips import ClipError, copy_stream, cut_clip, join_clips
from framesense.media.probe import probe_video
from framesense.media.stretches import Stretch
from framesense.schemas.videos import VideoProbe
from tests.support.clocks import join
from tests.support.containers import Recipe, write
from tests.support.videos import audio_only, hlg_video, numbered_picture, numbered_video, read_number, render_video
from worker.videos.frames import open_video

FPS = 25
PIXELS = 10_000_000


def numbers(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def many_key_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "many.mp4"
    return numbered_video(path, 250, options={"g": "25", "bf": "2"}, audio_seconds=10)


@pytest.fixture(scope="module")
def one_key_frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "one.mkv"
    return numbered_video(path, 250, options={"g": "1000", "bf": "2"})


def test_a_stretch_is_copied_from_the_key_frame_before_it_with_its_sound(many_key_frames: Path, tmp_path: Path) -> None:
    cut_clip(many_key_frames, tmp_path / "clip.mp4", Stretch(4.2, 6.0))
    shown = numbers(tmp_path / "clip.mp4")
    assert shown[0] == 100
    assert set(range(105, 151)) <= set(shown)
    assert max(shown) <= 155
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.audio
        assert container.streams.video[0].codec_context.name == "h264"


def test_a_stretch_far_from_a_key_frame_is_exact(one_key_frame: Path, tmp_path: Path) -> None:
    cut_clip(one_key_frame, tmp_path / "clip.mp4", Stretch(4.2, 6.0))
    assert numbers(tmp_path / "clip.mp4") == list(range(105, 151))


def test_stretches_are_joined_in_the_order_given(one_key_frame: Path, tmp_path: Path) -> None:
    join_clips(one_key_frame, tmp_path / "reel.mp4", [Stretch(8.0, 8.4), Stretch(0.0, 0.2)])
    assert numbers(tmp_path / "reel.mp4") == [*range(200, 211), *range(6)]


def test_a_stamp_changes_the_corner_only(one_key_frame: Path, tmp_path: Path) -> None:
    join_clips(one_key_frame, tmp_path / "plain.mp4", [Stretch(2.0, 2.2)])
    join_clips(one_key_frame, tmp_path / "stamped.mp4", [Stretch(2.0, 2.2)], stamped=True)
    with av.open(str(tmp_path / "plain.mp4")) as a, av.open(str(tmp_path / "stamped.mp4")) as b:
        plain, stamped = (next(c.decode(video=0)).to_ndarray(format="rgb24").astype(int) for c in (a, b))
    difference = abs(plain - stamped).max(axis=2)
    assert difference[:24, :64].max() > 100
    assert difference[64:].mean() < 8


def test_one_instant_is_one_frame(one_key_frame: Path, tmp_path: Path) -> None:
    cut_clip(one_key_frame, tmp_path / "clip.mp4", Stretch(3.0, 3.0))
    assert numbers(tmp_path / "clip.mp4") == [75]


@pytest.mark.parametrize("bframes", ["0", "2"])
def test_clips_of_joined_recordings_are_on_the_time_of_both(bframes: str, tmp_path: Path) -> None:
    parts = [
        numbered_video(tmp_path / f"{n}.ts", 100, options={"g": "25", "bf": bframes}, audio_seconds=4, first=100 * n)
        for n in range(2)
    ]
    joined = join(tmp_path / "joined.ts", parts)
    sampled = [
        (frame.time, read_number(frame.picture)) for frame in open_video(joined, max_pixels=PIXELS).samples(0.04)
    ]
    for start, end in [(1.0, 1.6), (5.2, 5.6), (3.8, 4.4)]:
        expected = [number for time, number in sampled if start <= time <= end]
        cut_clip(joined, tmp_path / "clip.mp4", Stretch(start, end))
        join_clips(joined, tmp_path / "reel.mp4", [Stretch(start, end), Stretch(0.2, 0.4)])
        assert set(expected) <= set(numbers(tmp_path / "clip.mp4"))
        assert set(expected) <= set(numbers(tmp_path / "reel.mp4"))
        assert len(numbers(tmp_path / "reel.mp4")) <= len(expected) + 2 + 7
        with av.open(str(tmp_path / "clip.mp4")) as container:
            assert bool(container.streams.audio) == (end < 4 or start > 4), "sound is copied, but not across a joint"


def test_a_clip_of_a_late_picture_is_on_the_player_s_time(tmp_path: Path) -> None:
    times = [2 + n / FPS for n in range(100)]
    late = render_video(tmp_path / "late.mp4", [numbered_picture(n) for n in range(100)], times=times, audio_seconds=6)
    cut_clip(late, tmp_path / "clip.mp4", Stretch(4.0, 4.4))
    assert set(range(50, 61)) <= set(numbers(tmp_path / "clip.mp4"))
    join_clips(late, tmp_path / "reel.mp4", [Stretch(4.0, 4.4)])
    assert numbers(tmp_path / "reel.mp4") == list(range(50, 61))


def test_nothing_in_a_stretch_is_said(one_key_frame: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipError):
        cut_clip(audio_only(tmp_path / "sound.mp4"), tmp_path / "clip.mp4", Stretch(0, 1))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ClipError):
        cut_clip(tmp_path / "text.mp4", tmp_path / "clip.mp4", Stretch(0, 1))


def test_the_header_tells_the_duration(many_key_frames: Path, one_key_frame: Path, tmp_path: Path) -> None:
    assert probe_video(many_key_frames).duration == pytest.approx(10, abs=0.1)
    assert probe_video(one_key_frame).duration == pytest.approx(10, abs=0.1)
    (tmp_path / "text.mp4").write_text("no video")
    assert probe_video(tmp_path / "text.mp4") == VideoProbe()


@pytest.mark.parametrize("stamped", [False, True])
def test_clips_of_4_4_4_video_keep_their_colours_and_play_anywhere(stamped: bool, tmp_path: Path) -> None:
    """H.264 High 4:4:4 decodes green after a seek unless the decoder has seen its first packet."""
    source = numbered_video(tmp_path / "source.mp4", 100, options={"g": "25"}, pixel_format="yuv444p")
    if stamped:
        join_clips(source, tmp_path / "clip.mp4", [Stretch(2.2, 3.0)], stamped=True)
    else:
        cut_clip(source, tmp_path / "clip.mp4", Stretch(2.2, 3.0))
        assert set(range(55, 76)) <= set(numbers(tmp_path / "clip.mp4"))
    with av.open(str(source)) as whole, av.open(str(tmp_path / "clip.mp4")) as clip:
        assert clip.streams.video[0].pix_fmt == "yuv420p"
        usual = [frame.to_ndarray(format="rgb24").mean(axis=(0, 1)) for frame in whole.decode(video=0)]
        last = list(clip.decode(video=0))[-1].to_ndarray(format="rgb24").mean(axis=(0, 1))
    assert min(np.abs(last - colour).max() for colour in usual[70:80]) < 12


@pytest.mark.parametrize("start", [1.0, 5.0])
def test_clips_of_joined_matroska_files_are_on_the_time_of_both(start: float, tmp_path: Path) -> None:
    parts = [numbered_video(tmp_path / f"{n}.mkv", 100, options={"g": "10"}, first=100 * n) for n in range(2)]
    joined = join(tmp_path / "joined.mkv", parts)
    cut_clip(joined, tmp_path / "clip.mp4", Stretch(start, start + 0.4))
    join_clips(joined, tmp_path / "reel.mp4", [Stretch(start, start + 0.4)])
    expected = set(range(round(start * FPS), round(start * FPS) + 11))
    assert expected <= set(numbers(tmp_path / "clip.mp4")) <= {one + more for one in expected for more in range(-10, 4)}
    assert set(numbers(tmp_path / "reel.mp4")) == expected


@pytest.mark.parametrize("way", ["cut", "reel", "stamped"])
def test_clips_of_high_dynamic_range_look_as_its_frames_do(way: str, tmp_path: Path) -> None:
    source = hlg_video(tmp_path / "hlg.mp4", frames=10)
    (sample,) = open_video(source, max_pixels=PIXELS).samples(10)
    if way == "cut":
        cut_clip(source, tmp_path / "clip.mp4", Stretch(0, 0.3))
    else:
        join_clips(source, tmp_path / "clip.mp4", [Stretch(0, 0.3)], stamped=way == "stamped")
    with av.open(str(tmp_path / "clip.mp4")) as clip:
        assert (clip.streams.video[0].pix_fmt, int(clip.streams.video[0].codec_context.color_trc)) == ("yuv420p", 1)
    (shown,) = open_video(tmp_path / "clip.mp4", max_pixels=PIXELS).samples(10)
    lower = slice(64, None)
    assert np.abs(shown.picture[lower].astype(int) - sample.picture[lower]).mean() < 5
    assert sample.picture.std() > 25, "it was mapped, not washed out"


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_one_of_several_pictures_by_itself_keeps_its_times(container: str, offset: float, tmp_path: Path) -> None:
    recipe = Recipe(container, (1,) * 59, offset=offset, bframes=2, before=("small", "sound"))
    source, target = tmp_path / f"several.{container}", tmp_path / "alone"
    number = write(source, recipe)
    copy_stream(source, target, number=number)
    right, found = open_video(source, max_pixels=PIXELS, number=number), open_video(target, max_pixels=PIXELS)
    assert (found.width, found.streams[0].shown_first, len(found.streams)) == (96, True, 1)
    shown = [[(frame.time, read_number(frame.picture)) for frame in video.samples(0.2)] for video in (right, found)]
    assert [number for _, number in shown[1]] == [number for _, number in shown[0]]
    assert [time for time, _ in shown[1]] == pytest.approx([time for time, _ in shown[0]], abs=0.002)
    with av.open(str(target)) as copied:
        assert [stream.type for stream in copied.streams] == ["video", "audio"]


def test_a_picture_that_browsers_do_not_play_is_copied_all_the_same(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "old.mpg", 40, codec="mpeg2video")
    copy_stream(path, tmp_path / "alone", number=0)
    assert numbers(tmp_path / "alone") == list(range(40))


def test_what_was_joined_has_no_picture_by_itself(tmp_path: Path) -> None:
    parts = [numbered_video(tmp_path / f"{n}.mp4", 20, first=20 * n) for n in range(2)]
    with pytest.raises(ClipError, match="joined"):
        copy_stream(join(tmp_path / "joined.mp4", parts), tmp_path / "alone", number=0)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_clip_of_a_chosen_picture_begins_in_time(container: str, tmp_path: Path) -> None:
    """Of a Matroska file the index is of one picture alone."""
    source = tmp_path / f"several.{container}"
    number = write(source, Recipe(container, (1,) * 99, keyint=50, before=("small",)))
    cut_clip(source, tmp_path / "clip.mp4", Stretch(1.0, 2.0), number=number)
    assert numbers(tmp_path / "clip.mp4")[0] == 0
    assert set(range(25, 50)) <= set(numbers(tmp_path / "clip.mp4"))
