"""Decode an untrusted video in a process of its own: ``python -m worker.videos.decoder``.

A decoder that crashes, hangs or eats memory takes only this process with it: see :mod:`worker.videos.isolated`, which
starts it. It reads requests from standard input, a line of JSON each, and writes messages to standard output: a JSON
header behind its length, and the bytes that it announces.
"""

import argparse
import ctypes
import json
import os
import resource
import signal
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from framesense.http.problems import ProblemError
from worker.videos.frames import SampledFrame, Video, open_video

LENGTH = struct.Struct("<I")
ALIVE_SECONDS = 1.0
"""Seconds between two signs that packets are still being read and decoded."""
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class _Writer:
    """Writes messages."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._last = out, time.monotonic()

    def write(self, header: dict[str, Any], *parts: memoryview | bytes) -> None:
        text = json.dumps({**header, "bytes": sum(len(part) for part in parts)}).encode()
        self._out.write(LENGTH.pack(len(text)) + text)
        for part in parts:
            self._out.write(part)
        self._out.flush()
        self._last = time.monotonic()

    def alive(self) -> None:
        if time.monotonic() - self._last > ALIVE_SECONDS:
            self.write({"kind": "alive"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Open a video and answer requests until there are no more; return the process's exit status."""
    options = _parser().parse_args(arguments)
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (options.cpu_seconds, options.cpu_seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (options.memory, options.memory))
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no message
    writer = _Writer(out)
    try:
        video = open_video(options.source, max_pixels=options.max_pixels, number=options.stream, on_packet=writer.alive)
        _write_info(writer, video, "opened")
        for line in sys.stdin:
            _answer(writer, video, json.loads(line))
    except ProblemError as error:
        writer.write({"kind": "problem", "problem": error.document().model_dump()})
    except (MemoryError, BlockingIOError):  # the latter where a thread finds no room for its stack
        writer.write({"kind": "memory"})
    except BrokenPipeError:
        return 1
    return 0


def _answer(writer: _Writer, video: Video, request: dict[str, Any]) -> None:
    if "count" in request:
        writer.write({"kind": "count", "count": video.count(request["count"])})
        return
    before: SampledFrame | None = None
    for frame in video.moving_samples(**request):
        _write_frame(writer, frame, repeated=before is not None and frame.picture is before.picture)
        before = frame
    _write_info(writer, video, "end")


def _write_info(writer: _Writer, video: Video, kind: str) -> None:
    info = video.info(name="", sha256="", size=1)
    timeline = {"covered": video.timeline.covered, "frame_interval": video.timeline.frame_interval}
    writer.write({"kind": kind, "info": info.model_dump(mode="json"), **timeline})


def _write_frame(writer: _Writer, frame: SampledFrame, *, repeated: bool) -> None:
    parts = [] if repeated else [frame.picture.data.cast("B")]
    if frame.motion is not None:
        parts.append(frame.motion.data.cast("B"))
    motion = None if frame.motion is None else frame.motion.shape
    shape = None if repeated else frame.picture.shape
    writer.write({"kind": "frame", "index": frame.index, "time": frame.time, "shape": shape, "motion": motion}, *parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="worker.videos.decoder", description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--stream", type=int, help="number of the video that is meant, without it the main one")
    parser.add_argument("--max-pixels", type=int, required=True, help="largest frame, width × height")
    parser.add_argument("--memory", type=int, required=True, help="largest address space, in bytes")
    parser.add_argument("--cpu-seconds", type=int, required=True, help="after which the process is ended")
    return parser


if __name__ == "__main__":
    sys.exit(main())
