"""Videos whose clocks are odd: joined byte by byte, wrapped, or stamped wildly."""

from collections.abc import Callable, Sequence
from pathlib import Path

CELL = 188
"""Bytes of a transport stream's packet (ISO/IEC 13818-1, 2.4.3.2)."""
WRAP = 2**33


def join(path: Path, parts: Sequence[Path]) -> Path:
    """Write files one after another into one, as ``cat`` does."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def restamp(source: Path, path: Path, change: Callable[[int, int], int], *, stream_id: int = 0xE0) -> Path:
    """Write a transport stream with other times: ``change(n, time)`` gives those of the nth picture, modulo 2³³."""
    data, number = bytearray(source.read_bytes()), 0
    for at in range(0, len(data), CELL):
        if not data[at + 1] & 0x40:
            continue
        start = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if data[start : start + 4] != bytes([0, 0, 1, stream_id]):
            continue
        for field in range(data[start + 7].bit_count() if data[start + 7] & 0x80 else 0):
            if field > 1 or (field == 1 and not data[start + 7] & 0x40):
                break
            place = slice(start + 9 + 5 * field, start + 14 + 5 * field)
            data[place] = _stamp(data[place][0] >> 4, change(number, _time(data[place])) % WRAP)
        number += 1
    path.write_bytes(data)
    return path


def _time(stamp: bytes) -> int:
    return (stamp[0] >> 1 & 7) << 30 | stamp[1] << 22 | stamp[2] >> 1 << 15 | stamp[3] << 7 | stamp[4] >> 1


def _stamp(marker: int, time: int) -> bytes:
    high = marker << 4 | (time >> 30 & 7) << 1 | 1
    middle, low = (time >> 15 & 0x7FFF) << 1 | 1, (time & 0x7FFF) << 1 | 1
    return bytes([high]) + middle.to_bytes(2, "big") + low.to_bytes(2, "big")
