"""Videos are read by processes of their own, which may be started whatever else the service does."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from framesense.media.isolated import MediaError, MediaTimeout, MediaTool
from framesense.media.stretches import Stretch

BESIDE_ALGEBRA = """
import asyncio, os, sys, threading
from pathlib import Path
import numpy as np
import uvloop
from framesense.media.isolated import MediaTool

def compute():
    matrix = np.random.default_rng(0).random((600, 600), dtype=np.float32)
    while True:
        matrix @ matrix

async def probe():
    tool = MediaTool(concurrency=2, timeout=60)
    for _ in range(4):
        await asyncio.gather(*(tool.probe(Path(sys.argv[1])) for _ in range(2)))

for _ in range(3):
    threading.Thread(target=compute, daemon=True).start()
uvloop.run(probe())
print("all were read", flush=True)
os._exit(0)  # not waiting for the threads
"""
STRETCH = Stretch(0.0, 1.0)


def test_a_video_is_read_while_other_threads_compute(tmp_path: Path) -> None:
    # With uvloop's own processes this stood still for ever, and with it all of the gateway.
    video = tmp_path / "none.mp4"
    video.write_bytes(b"no video")
    ran = subprocess.run(
        [sys.executable, "-c", BESIDE_ALGEBRA, str(video)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
    )
    assert ran.stdout == "all were read\n", ran.stderr


async def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    video = tmp_path / "endless.mp4"
    os.mkfifo(video)  # whoever opens it waits for somebody to write
    with pytest.raises(MediaTimeout, match="longer than 2 s"):
        await MediaTool(concurrency=1, timeout=2).cut(video, tmp_path / "clip.mp4", STRETCH)
    assert not _readers(video)


async def test_a_caller_who_gives_up_leaves_no_process(tmp_path: Path) -> None:
    video = tmp_path / "endless.mp4"
    os.mkfifo(video)
    cutting = asyncio.create_task(MediaTool(concurrency=1, timeout=100).cut(video, tmp_path / "clip.mp4", STRETCH))
    while not _readers(video):
        await asyncio.sleep(0.05)
    cutting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cutting
    while _readers(video):
        await asyncio.sleep(0.05)


async def test_a_file_that_is_no_video_is_told(tmp_path: Path) -> None:
    video = tmp_path / "none.mp4"
    video.write_bytes(b"no video")
    with pytest.raises(MediaError):
        await MediaTool(concurrency=1, timeout=60).cut(video, tmp_path / "clip.mp4", STRETCH)


def _readers(video: Path) -> list[str]:
    """Return the processes whose command names a file."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = command.read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if str(video).encode() in text:
            found.append(command.parent.name)
    return found
