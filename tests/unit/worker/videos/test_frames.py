"""Sampling against the plain way: decode every frame with PyAV, keep the one with the greatest time not after the tick.

The pictures carry their numbers, so that a wrong frame is told from a right one, not only a wrong time.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from framesense.http.problems import ProblemError
from tests.support.sampling import plain_samples
from tests.support.videos import (
    audio_only,
    cut_off,
    numbered_picture,
    numbered_video,
    read_number,
    render_video,
    with_unknown_codec,
)
from worker.videos.frames import SampledFrame, Video, open_video

PIXELS = 10_000_000


def decoded_samples(path: Path, every: float) -> list[tuple[float, int]]:
    """(time, number) of what is to be sampled each ``every`` seconds, by decoding all of it."""
    video = open_video(path, max_pixels=PIXELS)
    with av.open(str(path)) as container:
        shown: list[tuple[Fraction, int, Fraction]] = []
        stream = container.streams.video[0]
        # Of a short transport stream with odd times nothing says how long its frames last: as is usual in it then.
        usual = video.timeline.interval * video.timeline.time_base
        for frame in container.decode(stream):
            assert frame.pts is not None
            assert frame.time_base is not None
            length = frame.duration * frame.time_base or usual
            shown.append(
                (frame.pts * frame.time_base, read_number(frame.to_ndarray(format="rgb24").astype(np.uint8)), length)
            )
    shown.sort()
    first, end = shown[0][0], shown[-1][0] + shown[-1][2]
    found = plain_samples([(time, number) for time, number, _ in shown], end, every, video)
    return [(float(time - first), number) for time, number in found]


def sampled(path: Path, every: float, start: int = 0) -> list[tuple[float, int]]:
    video = open_video(path, max_pixels=PIXELS)
    frames = list(video.samples(every, start=start))
    assert [frame.index for frame in frames] == list(range(start, video.count(every)))
    assert all(before.time < after.time for before, after in pairwise(frames))
    return [(frame.time, read_number(frame.picture)) for frame in frames]


X264 = {"preset": "medium"}
FAST_VPX = {"deadline": "realtime", "cpu-used": "8"}
CLIPS: dict[str, dict[str, Any]] = {
    "b-frames.mp4": {"options": {**X264, "bf": "3", "g": "12"}},
    "pyramid-long-gop.mp4": {"options": {**X264, "x264-params": "bframes=8:b-pyramid=normal:keyint=200:ref=5"}},
    "open-gop.mp4": {"options": {**X264, "x264-params": "open-gop=1:keyint=9:min-keyint=9:scenecut=0:bframes=3"}},
    "open-gop.ts": {"options": {**X264, "x264-params": "open-gop=1:keyint=9:min-keyint=9:scenecut=0:bframes=3"}},
    "intra-refresh.ts": {"options": {**X264, "x264-params": "intra-refresh=1:keyint=15"}},
    "interlaced.mp4": {"options": {**X264, "x264-params": "interlaced=1:bframes=2:keyint=20"}},
    "late-start.ts": {"options": {**X264, "bf": "2"}},
    "hevc-open-gop.mp4": {
        "codec": "libx265",
        "options": {"x265-params": "open-gop=1:keyint=10:log-level=none", "preset": "ultrafast"},
    },
    "ten-bit.mkv": {"pixel_format": "yuv420p10le"},
    "grey.mkv": {"pixel_format": "gray"},
    "vp8-hidden-frames.webm": {"codec": "libvpx", "options": {**FAST_VPX, "auto-alt-ref": "1", "lag-in-frames": "9"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": FAST_VPX},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2", "g": "15"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"bf": "2", "g": "15", "q": "2"}},
    "motion-jpeg.mkv": {"codec": "mjpeg", "pixel_format": "yuvj420p", "options": {"qmin": "2", "qmax": "2"}},
    "animation.gif": {"codec": "gif", "pixel_format": "rgb8"},
    "fragmented.mp4": {"options": {"g": "10"}, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "with-sound.mp4": {"audio_seconds": 3.0},
}


@pytest.mark.parametrize("name", CLIPS)
def test_samples_are_those_of_a_plain_decode(name: str, tmp_path: Path) -> None:
    path = numbered_video(tmp_path / name, 70, **CLIPS[name])
    for every in (0.04, 0.1, 0.33, 1.0, 10.0):
        assert sampled(path, every) == decoded_samples(path, every)
    whole = sampled(path, 0.33)
    assert sampled(path, 0.33, start=3) == whole[3:]


# Plain PyAV does not open a transport stream of two frames.
irregular_times = st.lists(st.integers(1, 900), min_size=4, max_size=60).map(
    lambda gaps: (np.cumsum([0, *gaps]) / 640).tolist()
)


@settings(max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=irregular_times,
    every=st.floats(0.02, 3).map(lambda seconds: round(seconds, 3)),
    keyint=st.integers(1, 30),
    bframes=st.integers(0, 5),
    open_gop=st.booleans(),
    container=st.sampled_from(["mp4", "mkv", "ts"]),
)
def test_any_variable_frame_rate(
    tmp_path: Path, times: list[float], every: float, keyint: int, bframes: int, open_gop: bool, container: str
) -> None:
    options = {"preset": "veryfast", "x264-params": f"keyint={keyint}:bframes={bframes}:open-gop={int(open_gop)}"}
    pictures = [numbered_picture(number, 96, 64) for number in range(len(times))]
    path = render_video(tmp_path / f"clip.{container}", pictures, times=times, options=options)
    found, right = sampled(path, every), decoded_samples(path, every)
    assert [number for _, number in found] == [number for _, number in right]
    # Ticks are rounded to the file's time base.
    assert [time for time, _ in found] == pytest.approx([time for time, _ in right], abs=0.001)


def remux(source: Path, path: Path, *, shift: float) -> Path:
    """The same packets, ``shift`` seconds later."""
    with av.open(str(source)) as reader, av.open(str(path), "w") as writer:
        stream = writer.add_stream_from_template(reader.streams.video[0])
        for packet in reader.demux(video=0):
            if packet.size and packet.pts is not None and packet.dts is not None:
                offset = round(shift / packet.time_base)
                packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                packet.stream = stream
                writer.mux(packet)
    return path


@pytest.mark.parametrize("shift", [0.0, 5.0, 0.5])
@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_a_late_start_counts_as_players_count_it(container: str, shift: float, tmp_path: Path) -> None:
    """In MP4 and Matroska from the file's own zero, in transport streams from the first frame shown."""
    source = numbered_video(tmp_path / "source.mp4", 60, options={**X264, "bf": "3", "g": "20"})
    path = remux(source, tmp_path / f"late.{container}", shift=shift)
    samples = sampled(path, 0.5)
    assert [number for _, number in samples] == [0, 12, 25, 37, 50]
    late = 0.0 if container == "ts" else shift
    assert [time - late for time, _ in samples] == pytest.approx([time for time, _ in decoded_samples(path, 0.5)])


def test_frames_wrongly_marked_as_key_frames_are_not_believed(tmp_path: Path) -> None:
    """libavformat corrects such marks in most containers, so here they are set behind its back."""
    path = numbered_video(tmp_path / "clip.mp4", 60, options={**X264, "bf": "0", "g": "60"})
    video = open_video(path, max_pixels=PIXELS)
    video.timeline = replace(video.timeline, key=np.ones(60, dtype=np.bool_))
    assert [read_number(frame.picture) for frame in video.samples(0.5)] == [0, 12, 25, 37, 50]


@pytest.mark.parametrize("name", ["reordered.avi", "packed.avi", "elementary.h264"])
def test_containers_without_presentation_times(name: str, tmp_path: Path) -> None:
    codec = "mpeg4" if name.startswith("packed") else "libx264"
    options = {"bf": "2"} if codec == "mpeg4" else {**X264, "bf": "2"}
    path = numbered_video(tmp_path / name, 50, codec=codec, options=options)
    assert [number for _, number in sampled(path, 0.25)] == [0, 6, 12, 18, 25, 31, 37, 43]
    assert [number for _, number in sampled(path, 0.25, start=5)] == [31, 37, 43]


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_short_transport_streams_open(codec: str, frames: int, tmp_path: Path) -> None:
    """libavformat does not know some of them as such: one of two frames has ten packets."""
    path = numbered_video(tmp_path / "short.ts", frames, codec=codec)
    assert [number for _, number in sampled(path, 0.04)] == list(range(frames))


def test_opencv_s_clock_is_off_where_ours_is_exact(tmp_path: Path) -> None:
    """Why frames are not sought with OpenCV: its clock counts frames at the mean rate (opencv/opencv#9053, #12112)."""
    times = [0.0, 0.04, 0.08, 1.0, 2.0, 2.04, 4.0, 4.04, 7.0, 7.04]
    pictures = [numbered_picture(number) for number in range(len(times))]
    path = render_video(tmp_path / "variable.mp4", pictures, times=times)
    exact = {number: time for time, number in reversed(sampled(path, 0.04))}
    assert [exact[number] for number in range(10)] == pytest.approx(times, abs=1e-4)

    capture = cv2.VideoCapture(str(path))
    found = []
    for tick in range(8):
        capture.set(cv2.CAP_PROP_POS_MSEC, tick * 1000)
        read, picture = capture.read()
        found.append(read_number(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)) if read else None)
    capture.release()
    ours = [number for _, number in sampled(path, 1.0)]
    assert ours == [0, 3, 4, 5, 6, 7, 7, 8]
    assert found != ours


def only(path: Path) -> tuple[Video, SampledFrame]:
    video = open_video(path, max_pixels=PIXELS)
    (frame,) = video.samples(10.0)
    return video, frame


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (270, 1)])
def test_a_phone_s_rotation_is_applied(degrees: int, turns: int, tmp_path: Path) -> None:
    upright = np.rot90(numbered_picture(77, 120, 160), -turns)
    video, frame = only(render_video(tmp_path / "phone.mp4", [np.ascontiguousarray(upright)] * 3, rotation=degrees))
    assert (video.width, video.height, video.orientation.degrees) == (120, 160, degrees)
    assert frame.picture.shape == (160, 120, 3)
    assert read_number(frame.picture) == 77


def test_a_mirrored_picture_is_mirrored_back(tmp_path: Path) -> None:
    mirrored = np.ascontiguousarray(numbered_picture(77)[:, ::-1])
    path = tmp_path / "mirror.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuv420p"
        stream.set_display_rotation(0, hflip=True)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(mirrored, format="rgb24")))
        container.mux(stream.encode(None))
    assert read_number(only(path)[1].picture) == 77


def test_oblong_pixels_are_made_square(tmp_path: Path) -> None:
    video, frame = only(numbered_video(tmp_path / "anamorphic.mp4", 3, pixel_aspect=Fraction(4, 3)))
    assert (video.width, video.height) == (256, 128)
    assert frame.picture.shape == (128, 256, 3)


@pytest.mark.parametrize("size", [(1, 1), (2, 64), (3, 5), (17, 9), (641, 3)])
def test_odd_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "odd.mkv", 3, size=size, codec="ffv1", pixel_format="yuv444p")
    video, frame = only(path)
    assert (video.width, video.height) == size
    assert frame.picture.shape[1] <= 640


def test_large_frames_are_shrunk_small_ones_are_not(tmp_path: Path) -> None:
    video = open_video(numbered_video(tmp_path / "large.mp4", 3, size=(1280, 720)), max_pixels=PIXELS)
    assert next(iter(video.samples(1, longest_side=320))).picture.shape == (180, 320, 3)
    assert next(iter(video.samples(1, longest_side=4000))).picture.shape == (720, 1280, 3)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_colours_are_right(pixel_format: str, tmp_path: Path) -> None:
    colours: list[NDArray[np.uint8]] = [
        np.full((64, 64, 3), colour, dtype=np.uint8) for colour in [(200, 40, 40), (40, 200, 40), (40, 40, 200)]
    ]
    path = render_video(tmp_path / "colours.mkv", colours, pixel_format=pixel_format)
    frames = list(open_video(path, max_pixels=PIXELS).samples(0.04))
    for frame, colour in zip(frames, colours, strict=True):
        assert np.abs(frame.picture.mean(axis=(0, 1)) - colour[0, 0]).max() < 6


def test_metadata(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "clip.mp4", 50, fps=12.5)
    info = open_video(path, max_pixels=PIXELS).info(name="clip.mp4", sha256="00", size=path.stat().st_size)
    assert (info.width, info.height, info.codec, info.rotation, info.warnings) == (192, 128, "h264", 0, [])
    assert info.duration == pytest.approx(4.0)
    assert info.fps == pytest.approx(12.5)


def test_one_frame_has_no_rate(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "one.mp4", 1)
    video, frame = only(path)
    assert video.info(name="", sha256="", size=1).fps == 0
    assert (frame.index, frame.time) == (0, 0.0)


def test_a_file_cut_in_the_middle_gives_what_it_holds_and_says_so(tmp_path: Path) -> None:
    whole = numbered_video(tmp_path / "whole.mp4", 250, container_options={"movflags": "faststart"})
    video = open_video(cut_off(whole, tmp_path / "cut.mp4", 0.6), max_pixels=PIXELS)
    numbers = [read_number(frame.picture) for frame in video.samples(1.0)]
    assert 2 < len(numbers) < 10
    assert numbers == [25 * second for second in range(len(numbers))]
    assert "lasts 10.0 s" in video.warnings[0]


def test_damage_in_the_middle_costs_frames_not_the_job(tmp_path: Path) -> None:
    options = {"g": "10", "x264-params": "keyint=10:scenecut=0"}
    whole = numbered_video(tmp_path / "whole.mp4", 100, options=options)
    with av.open(str(whole)) as container:
        positions = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(whole.read_bytes())
    for position, size in positions[40:50]:
        assert position is not None
        data[position : position + size] = bytes(size)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    video = open_video(damaged, max_pixels=PIXELS)
    numbers = [read_number(frame.picture) for frame in video.samples(0.2)]
    assert numbers == [0, 5, 10, 15, 20, 25, 30, 35, 39, 39, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95]
    assert any("could not be decoded" in warning for warning in video.warnings)


def bad_files(folder: Path) -> Iterator[tuple[str, Path, int, str]]:
    whole = numbered_video(folder / "whole.mp4", 60)
    text = folder / "text.mp4"
    text.write_text("these are words\n" * 100)
    playlist = folder / "playlist.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{whole}\n#EXT-X-ENDLIST\n")
    empty = folder / "empty.mp4"
    empty.write_bytes(b"")
    picture = folder / "picture.mp4"
    picture.write_bytes(cv2.imencode(".png", numbered_picture(1))[1].tobytes())
    no_frames = folder / "none.mp4"
    with av.open(str(no_frames), "w", options={"movflags": "empty_moov"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 64
        container.start_encoding()
    yield "text", text, 415, "not a video"
    yield "playlist", playlist, 415, "not a video"
    yield "empty", empty, 415, "not a video"
    yield "picture", picture, 415, "not a video"
    yield "audio only", audio_only(folder / "sound.mp4"), 422, "no video track, only: audio"
    yield "unknown codec", with_unknown_codec(whole, folder / "evc.mp4"), 422, "evc"
    yield "without index", cut_off(whole, folder / "cut.mp4", 0.5), 422, "index"
    yield "no frames", no_frames, 422, "no frame"


def test_bad_files_are_refused_in_words(tmp_path: Path) -> None:
    for name, path, status, words in bad_files(tmp_path):
        with pytest.raises(ProblemError) as refused:
            open_video(path, max_pixels=PIXELS)
        assert (refused.value.status, words in refused.value.detail) == (status, True), (name, refused.value.detail)


def test_frames_too_large_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "large.mp4", 2, size=(640, 480))
    with pytest.raises(ProblemError, match="640 × 480") as refused:
        open_video(path, max_pixels=640 * 480 - 1)
    assert refused.value.status == 422


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("every", [0.04, 0.3])
def test_frames_with_motion_are_the_same_frames(name: str, every: float, tmp_path: Path) -> None:
    path = numbered_video(tmp_path / name, 60, **CLIPS[name])
    video = open_video(path, max_pixels=PIXELS)
    plain, moving = list(video.samples(every, start=1)), list(video.moving_samples(every, start=1))
    assert [(frame.index, frame.time) for frame in moving] == [(frame.index, frame.time) for frame in plain]
    assert [read_number(frame.picture) for frame in moving] == [read_number(frame.picture) for frame in plain]
    assert all(frame.motion is not None and np.isfinite(frame.motion).all() for frame in moving)


def test_motion_is_that_between_a_frame_and_the_one_a_moment_later(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (128, 192, 3)).astype(np.uint8)
    scene = cv2.GaussianBlur(noise, (0, 0), 3)
    still, fast = [scene] * 25, [np.roll(scene, step, axis=1).astype(np.uint8) for step in range(1, 26)]
    path = render_video(tmp_path / "starts.mkv", [*still, *fast], fps=25)
    speeds = [
        float(np.median(frame.motion[3:-3, 3:-3, 0]))
        for frame in open_video(path, max_pixels=PIXELS).moving_samples(0.4)
        if frame.motion is not None
    ]
    assert speeds[:2] == pytest.approx([0, 0], abs=0.01)
    assert speeds[3:] == pytest.approx([25 / 128] * len(speeds[3:]), rel=0.15), "the last, 2.0 s, has none after it"


def test_a_video_of_one_frame_stands_still(tmp_path: Path) -> None:
    (frame,) = open_video(numbered_video(tmp_path / "one.mp4", 1), max_pixels=PIXELS).moving_samples(1.0)
    assert frame.motion is not None and not frame.motion.any()


def test_damage_costs_no_frame_with_motion(tmp_path: Path) -> None:
    whole = numbered_video(tmp_path / "whole.mp4", 250, container_options={"movflags": "faststart"})
    video = open_video(cut_off(whole, tmp_path / "cut.mp4", 0.6), max_pixels=PIXELS)
    frames = list(video.moving_samples(1.0))
    assert [read_number(frame.picture) for frame in frames] == [25 * second for second in range(len(frames))]
    assert len(frames) > 2


def test_4_4_4_video_has_its_colours_wherever_sampling_begins(tmp_path: Path) -> None:
    """A decoder that has not seen the first packet, where x264 says how it was built, makes such video green."""
    path = numbered_video(tmp_path / "clip.mp4", 60, options={**X264, "g": "20"}, pixel_format="yuv444p")
    whole = [frame.picture for frame in open_video(path, max_pixels=PIXELS).samples(0.2)]
    resumed = [frame.picture for frame in open_video(path, max_pixels=PIXELS).samples(0.2, start=6)]
    assert all(np.array_equal(one, other) for one, other in zip(whole[6:], resumed, strict=True))
