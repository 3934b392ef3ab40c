"""A zip as a stream: each file is read when its turn comes, so that one at a time is in memory."""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime


class _Sink:
    """Takes what is written and hands it on. It cannot seek, of which ``zipfile`` takes account."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def drain(self) -> bytes:
        drained = b"".join(self._written)
        self._written.clear()
        return drained


def stream_zip(files: Iterable[tuple[str, Callable[[], bytes]]], *, at: datetime) -> Iterator[bytes]:
    """Yield the bytes of a zip of these files (names, and what reads their contents), dated ``at``.

    Nothing is compressed: pictures are already. Raises what reading a file raises, midway.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload]  # any object that can be written to will do
        for name, read in files:
            archive.writestr(zipfile.ZipInfo(name, at.timetuple()[:6]), read())
            yield sink.drain()
    yield sink.drain()
