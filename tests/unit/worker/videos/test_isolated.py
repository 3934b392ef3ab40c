"""Decoding in a process of its own: the same frames, and a reason where it dies, stands still or eats memory."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from framesense.http.problems import ProblemError
from tests.support.decoders import decoders
from tests.support.videos import numbered_video, several_videos
from worker.videos.frames import open_video
from worker.videos.isolated import DecoderLimits, IsolatedVideo

LIMITS = DecoderLimits(max_pixels=10_000_000, memory=4 * 1024**3, idle_seconds=60, cpu_seconds=600)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_video(tmp_path_factory.mktemp("isolated") / "clip.mp4", 100, options={"g": "10", "bf": "2"})


def decoder() -> psutil.Process:
    (process,) = decoders()
    return process


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    assert decoders() == []


def test_the_frames_are_the_same(clip: Path) -> None:
    usual = open_video(clip, max_pixels=10_000_000)
    with IsolatedVideo(clip, LIMITS) as video:
        for every, start in ((0.2, 0), (0.01, 7), (1.0, 2)):
            right = list(usual.moving_samples(every, start=start, longest_side=150))
            found = list(video.moving_samples(every, start=start, longest_side=150))
            assert video.count(every) == usual.count(every)
            assert [(one.index, one.time) for one in found] == [(one.index, one.time) for one in right]
            for one, other in zip(found, right, strict=True):
                assert np.array_equal(one.picture, other.picture)
                assert one.motion is not None and other.motion is not None and np.array_equal(one.motion, other.motion)
        assert video.info(name="a", sha256="0", size=9) == usual.info(name="a", sha256="0", size=9)
        assert video.covered == usual.timeline.covered


def test_the_stream_that_is_chosen(tmp_path: Path) -> None:
    path = several_videos(tmp_path / "two.mp4", [(96, 64, 30), (48, 32, 30)])
    with IsolatedVideo(path, LIMITS, number=1) as video:
        assert video.info(name="", sha256="", size=1).width == 48
    with pytest.raises(ProblemError, match="no video in stream 5"):
        IsolatedVideo(path, LIMITS, number=5)


def test_what_is_no_video_is_refused_as_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("words " * 1000)
    with pytest.raises(ProblemError, match="not a video") as refused:
        IsolatedVideo(tmp_path / "text.mp4", LIMITS)
    assert refused.value.status == 415


def test_a_decoder_that_dies_is_told(clip: Path) -> None:
    with IsolatedVideo(clip, LIMITS) as video:
        frames = video.moving_samples(0.04, longest_side=2000)
        next(frames)
        decoder().send_signal(signal.SIGSEGV)
        with pytest.raises(ProblemError, match="decoder failed") as refused:
            for _ in range(200):
                next(frames)
    assert refused.value.status == 422


def test_a_decoder_that_stands_still_is_ended(clip: Path) -> None:
    limits = DecoderLimits(max_pixels=10_000_000, memory=4 * 1024**3, idle_seconds=20, cpu_seconds=600)
    with IsolatedVideo(clip, limits) as video:
        os.kill(decoder().pid, signal.SIGSTOP)
        object.__setattr__(limits, "idle_seconds", 0.2)
        with pytest.raises(ProblemError, match="got no further"):
            video.count(1.0)


def test_a_decoder_that_needs_too_much_memory_is_told(clip: Path, tmp_path: Path) -> None:
    path = numbered_video(tmp_path / "large.mp4", 4, size=(3840, 2160), options={"preset": "ultrafast"})
    with IsolatedVideo(clip, LIMITS):
        small = decoder().memory_info().vms
    with IsolatedVideo(path, LIMITS) as video:
        assert len(list(video.moving_samples(0.04))) == 4
    tight = DecoderLimits(max_pixels=10_000_000, memory=small + 30_000_000, idle_seconds=60, cpu_seconds=600)
    with pytest.raises(ProblemError, match="memory"), IsolatedVideo(path, tight) as video:
        list(video.moving_samples(0.04))
