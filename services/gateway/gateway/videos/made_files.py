"""Files that are made of a stored video when they are asked for: clips, and one of its pictures by itself."""

import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool

from framesense.http.disconnects import unless_disconnected
from framesense.http.problems import ProblemError
from framesense.media.isolated import MediaError, MediaTimeout
from framesense.storage.analyses import stream_key, video_key
from gateway.dependencies import Dependencies

Write = Callable[[Path, Path], Coroutine[Any, Any, None]]
"""``write(source, target)`` writes a file of a video. Raises MediaError."""


async def stream_by_itself(request: Request, dependencies: Dependencies, sha256: str, number: int) -> str:
    """Return the key of one of a video's pictures by itself; it is made the first time.

    Raises ProblemError as :func:`write_from_video`, and 507 where there is no room for it.
    """
    key = stream_key(sha256, number)
    if await run_in_threadpool(dependencies.storage.exists, key):
        return key

    async def write(source: Path, target: Path) -> None:
        await run_in_threadpool(dependencies.disk.require, source.stat().st_size)
        await dependencies.media.select(source, target, number=number)

    with temporary_file(dependencies.settings.upload_folder) as target:
        await write_from_video(request, dependencies, video_key(sha256), write, target)
        await run_in_threadpool(dependencies.storage.take, target, key)
    return key


async def write_from_video(request: Request, dependencies: Dependencies, key: str, write: Write, target: Path) -> None:
    """Write a file of the video stored under ``key``; ends early when the caller hangs up.

    Raises ProblemError: 410 where the video is gone, 422 where nothing can be made of it, 503 where it takes too long.
    """
    try:
        if not await run_in_threadpool(dependencies.storage.exists, key):
            raise FileNotFoundError(key)
        async with contextmanager_in_threadpool(dependencies.storage.local_file(key)) as source:
            await unless_disconnected(request, write(source, target))
    except FileNotFoundError:
        raise ProblemError(410, "video-gone", "Video gone", "The video is no longer stored. Send it again.") from None
    except MediaTimeout as error:
        detail = f"The clip was not made: {error}. Try a shorter one, or when the machine is less busy."
        raise ProblemError(503, "clip-too-slow", "Clip too slow", detail, headers={"Retry-After": "30"}) from error
    except MediaError as error:
        raise ProblemError(422, "clip-impossible", "Clip impossible", f"No clip can be made: {error}.") from error


@contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """Give an empty file for the moment, in a folder of uploads."""
    handle, name = tempfile.mkstemp(suffix=".mp4", prefix="clip-", dir=folder)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
