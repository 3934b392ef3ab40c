"""Videos that are decoded by a process of their own, with bounds on its memory and on its time."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fcntl import fcntl
from pathlib import Path
from typing import Any, Self

import numpy as np

from framesense.http.problems import ProblemError
from framesense.schemas.novelty import VideoInfo
from framesense.schemas.problems import Problem
from worker.videos.decoder import LENGTH
from worker.videos.frames import SampledFrame

MODULE = "worker.videos.decoder"
PIPE_BYTES = 1 << 20
F_SETPIPE_SZ = 1031
"""Of fcntl(2), Linux."""


@dataclass(frozen=True)
class DecoderLimits:
    """Limit a decoder: ``max_pixels`` of a frame, ``memory`` in bytes of address space, ``idle_seconds`` in which it
    reads and decodes nothing, ``cpu_seconds`` in all.
    """

    max_pixels: int
    memory: int
    idle_seconds: float
    cpu_seconds: int


class IsolatedVideo:
    """A video as :class:`worker.videos.frames.Video`, in a process of its own: a context manager.

    Every method raises ProblemError for what cannot be decoded, and where the decoder dies or stands still.
    """

    def __init__(self, path: Path, limits: DecoderLimits, *, number: int | None = None) -> None:
        self._limits = limits
        chosen = [] if number is None else ["--stream", str(number)]
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", MODULE, "--max-pixels", str(limits.max_pixels), "--memory", str(limits.memory),
                "--cpu-seconds", str(limits.cpu_seconds), *chosen, str(path),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._out = self._process.stdin, self._process.stdout.fileno()
        with suppress(OSError):
            fcntl(self._out, F_SETPIPE_SZ, PIPE_BYTES)
        try:
            self._take_info(self._message("opened")[0])
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    @property
    def covered(self) -> float:
        """Return the seconds for which there are frames."""
        return self._covered

    @property
    def frame_interval(self) -> float:
        """Return the seconds below which it makes no sense to look at the video more often."""
        return self._frame_interval

    def count(self, every_n_second: float) -> int:
        """Count the frames that :meth:`moving_samples` gives."""
        self._request({"count": every_n_second})
        return int(self._message("count")[0]["count"])

    def moving_samples(
        self, every_n_second: float, *, start: int = 0, longest_side: int = 640
    ) -> Iterator[SampledFrame]:
        """Yield frames as :meth:`worker.videos.frames.Video.moving_samples`."""
        self._request({"every_n_second": every_n_second, "start": start, "longest_side": longest_side})
        picture = np.zeros((0, 0, 3), dtype=np.uint8)
        while True:
            header, content = self._message("frame", "end")
            if header["kind"] == "end":
                self._take_info(header)
                return
            size = int(np.prod(header["shape"])) if header["shape"] else 0
            if size:
                picture = np.frombuffer(content, np.uint8, size).reshape(header["shape"])
            motion = None
            if header["motion"]:
                motion = np.frombuffer(bytes(content[size:]), np.float32).reshape(header["motion"])
            yield SampledFrame(header["index"], header["time"], picture, motion)

    def info(self, *, name: str, sha256: str, size: int) -> VideoInfo:
        """Describe the video, with what was lost until now. ``size``: of the file, in bytes."""
        return self._info.model_copy(update={"name": name, "sha256": sha256, "bytes": size})

    def _take_info(self, header: dict[str, Any]) -> None:
        self._info, self._covered = VideoInfo.model_validate(header["info"]), float(header["covered"])
        self._frame_interval = float(header["frame_interval"])

    def _request(self, request: dict[str, Any]) -> None:
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
        except OSError:
            raise self._ended() from None

    def _message(self, *kinds: str) -> tuple[dict[str, Any], bytearray]:
        while True:
            (length,) = LENGTH.unpack(self._read(LENGTH.size))
            header: dict[str, Any] = json.loads(bytes(self._read(length)))
            content = self._read(header["bytes"])
            if header["kind"] == "problem":
                raise ProblemError.of(Problem.model_validate(header["problem"]))
            if header["kind"] == "memory":
                raise _too_large(self._limits.memory)
            if header["kind"] in kinds:
                return header, content

    def _read(self, size: int) -> bytearray:
        """Read so many bytes; raises ProblemError where none come for too long, or the process has ended."""
        data, place = bytearray(size), 0
        view, deadline = memoryview(data), time.monotonic() + self._limits.idle_seconds
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        while place < size:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(1000 * left):
                self._process.kill()
                raise _stuck(self._limits.idle_seconds)
            got = os.readv(self._out, [view[place:]])
            if not got:
                raise self._ended()
            place += got
            deadline = time.monotonic() + self._limits.idle_seconds
        return data

    def _ended(self) -> ProblemError:
        try:
            status = self._process.wait(self._limits.idle_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return _stuck(self._limits.idle_seconds)
        return _too_slow(self._limits.cpu_seconds) if status == -signal.SIGXCPU else _failed()


def _failed() -> ProblemError:
    detail = "The decoder failed at this video: the file is damaged in a way that it cannot stand."
    return ProblemError(422, "undecodable-video", "Undecodable video", detail)


def _stuck(seconds: float) -> ProblemError:
    detail = f"For {seconds:g} s the decoder got no further with this video, so it was ended: the file seems damaged."
    return ProblemError(422, "undecodable-video", "Undecodable video", detail)


def _too_slow(seconds: int) -> ProblemError:
    detail = (
        f"Decoding took more than {seconds:,} CPU-seconds. Frames that are finished are kept: send the video again and "
        "the job goes on from there, or convert it to a smaller size."
    )
    return ProblemError(422, "video-too-slow", "Video too slow", detail)


def _too_large(memory: int) -> ProblemError:
    detail = (
        f"Decoding needs more memory than the {memory / 1024**3:.3g} GiB that one video may take. Convert it to a "
        "smaller size."
    )
    return ProblemError(422, "video-too-large", "Video too large", detail)
