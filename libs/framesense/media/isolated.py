"""Have untrusted videos read and cut by a process of its own, with bounds on time and on how many run at once."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired

from framesense.media.stretches import Stretch
from framesense.schemas.videos import VideoProbe

MODULE = "framesense.media.tool"


class MediaError(Exception):
    """A video that cannot be read or cut. The text says why."""


class MediaTimeout(MediaError):  # noqa: N818 - as asyncio names its own
    """Reading or cutting took longer than it may."""


class MediaTool:
    """Run :mod:`framesense.media.tool`, at most ``concurrency`` at once, each for at most ``timeout`` seconds."""

    def __init__(self, *, concurrency: int, timeout: float) -> None:
        self._slots, self._timeout = asyncio.Semaphore(concurrency), timeout

    async def probe(self, source: Path, number: int | None = None) -> VideoProbe:
        """Read what a video says of itself, as :func:`framesense.media.probe.probe_video`.

        Where it cannot be read in time the probe is one without anything.
        """
        try:
            printed = await self._run(*_stream(number), "probe", str(source))
        except MediaError:
            return VideoProbe()
        return VideoProbe.model_validate_json(printed)

    async def cut(self, source: Path, target: Path, stretch: Stretch, *, number: int | None = None) -> None:
        """Write one stretch of a video as an MP4, as :func:`framesense.media.clips.cut_clip`. Raises MediaError."""
        await self._run(*_stream(number), "cut", str(source), str(target), *_numbers([stretch]))

    async def select(self, source: Path, target: Path, *, number: int) -> None:
        """Write one picture of several by itself, as :func:`framesense.media.clips.copy_stream`. Raises MediaError."""
        await self._run(*_stream(number), "select", str(source), str(target))

    async def join(
        self, source: Path, target: Path, stretches: Sequence[Stretch], *, number: int | None = None, stamped: bool
    ) -> None:
        """Write stretches as one MP4, as :func:`framesense.media.clips.join_clips`. Raises MediaError."""
        flags = ["--stamped"] if stamped else []
        await self._run(*_stream(number), "join", *flags, str(source), str(target), *_numbers(stretches))

    async def _run(self, *arguments: str) -> bytes:
        """Return what the tool prints. Where the caller is cancelled the process is ended."""
        command = [sys.executable, "-m", MODULE, "--cpu-seconds", str(max(1, round(self._timeout))), *arguments]
        async with self._slots:
            # Not by the event loop: uvloop forks, whereupon OpenBLAS waits for its threads while they compute in
            # another thread, which waits for the GIL: for ever. subprocess calls vfork, which calls no such handlers.
            process = Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
            try:
                printed, reason = await asyncio.to_thread(_finish, process, self._timeout)
            except TimeoutExpired:
                raise MediaTimeout(f"it took longer than {self._timeout:g} s") from None
            except asyncio.CancelledError:
                process.kill()  # the thread that waits for it ends then
                raise
        if process.returncode:
            lines = reason.decode(errors="replace").strip().splitlines()
            raise MediaError(lines[-1] if process.returncode == 1 and lines else "the decoder failed at it")
        return printed


def _finish(process: Popen[bytes], timeout: float) -> tuple[bytes, bytes]:
    """Wait for a process and return what it printed. Raises TimeoutExpired, when it has been killed."""
    try:
        return process.communicate(timeout=timeout)
    except TimeoutExpired:
        process.kill()
        process.communicate()
        raise


def _stream(number: int | None) -> list[str]:
    return [] if number is None else ["--stream", str(number)]


def _numbers(stretches: Sequence[Stretch]) -> list[str]:
    return [f"{seconds:.6f}" for stretch in stretches for seconds in (stretch.start, stretch.end)]
