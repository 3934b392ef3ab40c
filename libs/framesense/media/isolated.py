"""Have untrusted videos read and cut by a process of its own, with bounds on time and on how many run at once."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from framesense.media.stretches import Stretch

MODULE = "framesense.media.tool"


class MediaError(Exception):
    """A video that cannot be read or cut. The text says why."""


class MediaTimeout(MediaError):  # noqa: N818 - as asyncio names its own
    """Reading or cutting took longer than it may."""


class MediaTool:
    """Run :mod:`framesense.media.tool`, at most ``concurrency`` at once, each for at most ``timeout`` seconds."""

    def __init__(self, *, concurrency: int, timeout: float) -> None:
        self._slots, self._timeout = asyncio.Semaphore(concurrency), timeout

    async def probe_duration(self, source: Path) -> float | None:
        """Return how many seconds a video says that it lasts; None where it does not, or cannot be read in time."""
        try:
            printed = await self._run("duration", str(source))
        except MediaError:
            return None
        duration = json.loads(printed)
        return float(duration) if duration else None

    async def cut(self, source: Path, target: Path, stretch: Stretch) -> None:
        """Write one stretch of a video as an MP4, as :func:`framesense.media.clips.cut_clip`. Raises MediaError."""
        await self._run("cut", str(source), str(target), *_numbers([stretch]))

    async def join(self, source: Path, target: Path, stretches: Sequence[Stretch], *, stamped: bool) -> None:
        """Write stretches as one MP4, as :func:`framesense.media.clips.join_clips`. Raises MediaError."""
        flags = ["--stamped"] if stamped else []
        await self._run("join", *flags, str(source), str(target), *_numbers(stretches))

    async def _run(self, *arguments: str) -> bytes:
        """Return what the tool prints. Where the caller is cancelled the process is ended."""
        async with self._slots:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", MODULE, "--cpu-seconds", str(max(1, round(self._timeout))), *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                printed, reason = await asyncio.wait_for(process.communicate(), self._timeout)
            except TimeoutError:
                raise MediaTimeout(f"it took longer than {self._timeout:g} s") from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode:
            lines = reason.decode(errors="replace").strip().splitlines()
            raise MediaError(lines[-1] if process.returncode == 1 and lines else "the decoder failed at it")
        return printed


def _numbers(stretches: Sequence[Stretch]) -> list[str]:
    return [f"{seconds:.6f}" for stretch in stretches for seconds in (stretch.start, stretch.end)]
