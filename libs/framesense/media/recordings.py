"""Find recordings that were written one after another into one file, as ``cat a.mkv b.mkv`` does.

Each has headers of its own: its codecs, their parameters and its clock. Readers know the first one's alone; they drop
what follows, or decode it by headers that are not its own, to rubbish. Transport and program streams carry their
headers all along and are read as they are.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

EBML = b"\x1aE\xdf\xa3"
SEGMENT = b"\x18S\x80g"
"""Elements of Matroska (RFC 8794, RFC 9559)."""
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
"""The object that an ASF file begins with."""
FLV, FLV_TAG = b"FLV\x01", 11
NUT = b"nut/multimedia container\0"
MOST = 1000
"""Recordings of a file that are looked for."""


@dataclass(frozen=True)
class Recording:
    """A recording's bytes in its file: ``start`` … ``end − 1``."""

    start: int
    end: int


def find_recordings(path: Path) -> list[Recording]:
    """Return a file's recordings in order: one, that is all of the file, where nothing else is known."""
    size = path.stat().st_size
    with path.open("rb") as file:
        starts = [0, *_following(file, size)][:MOST]
    return [Recording(start, end) for start, end in pairwise([*starts, size])]


def _following(file: BinaryIO, size: int) -> Iterator[int]:
    """Yield where recordings after the first begin."""
    head = file.read(64)
    if head.startswith(EBML):
        yield from _matroska(file, size)
    elif head[4:8] == b"ftyp":
        yield from _boxes(file, size)
    elif head.startswith(ASF_HEADER):
        yield from _objects(file, size)
    elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        yield from _chunks(file, size)
    elif head.startswith(FLV):
        yield from (at for at in _found(file, FLV) if _ends_tag(file, at))
    elif head.startswith(NUT):
        yield from _found(file, NUT)


def _matroska(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at < size:
        header = _read(file, at, 12)
        if header.startswith(EBML) and at:
            yield at
        identifier = _leading_zeros(header) + 1
        length, width = _size(header[identifier:])
        if length is None:  # Written as it was recorded: without its length.
            if header.startswith(SEGMENT):
                yield from (found for found in _found(file, EBML, at + 1) if _is_matroska(_read(file, found, 64)))
            return
        at += identifier + width + length


def _is_matroska(head: bytes) -> bool:
    return b"matroska" in head or b"webm" in head


def _leading_zeros(number: bytes) -> int:
    return 8 - number[0].bit_length() if number else 8


def _size(number: bytes) -> tuple[int | None, int]:
    """Return the length of an element, None for an unknown one, and how many bytes tell it."""
    width = _leading_zeros(number) + 1
    if len(number) < width or width > 8:
        return None, width
    value = int.from_bytes(number[:width], "big") & (1 << 7 * width) - 1
    return (None if value == (1 << 7 * width) - 1 else value), width


def _boxes(file: BinaryIO, size: int) -> Iterator[int]:
    """Walk the boxes of an ISO base media file (ISO/IEC 14496-12, 4.2); each recording begins with ``ftyp``."""
    at, whole = 0, False
    while at + 8 <= size:
        header = _read(file, at, 16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            return
        if kind == b"ftyp" and whole:
            yield at
            whole = False
        whole = whole or kind == b"moov"
        at += length


def _objects(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at + 24 <= size:
        header = _read(file, at, 24)
        if header.startswith(ASF_HEADER) and at:
            yield at
        length = int.from_bytes(header[16:24], "little")
        if length < 24:
            return
        at += length


def _chunks(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at + 12 <= size:
        header = _read(file, at, 12)
        if header[:4] == b"RIFF" and header[8:] == b"AVI " and at:
            yield at
        length = int.from_bytes(header[4:8], "little")
        if header[:4] not in (b"RIFF", b"JUNK") or not length:
            return
        at += 8 + length + length % 2


def _ends_tag(file: BinaryIO, at: int) -> bool:
    """Tell whether an FLV tag, whose size follows it, ends at a place."""
    length = int.from_bytes(_read(file, max(0, at - 4), 4), "big")
    tag = _read(file, at - 4 - length, 4) if FLV_TAG <= length < at - 4 else b""
    return len(tag) == 4 and int.from_bytes(tag[1:], "big") == length - FLV_TAG


def _found(file: BinaryIO, mark: bytes, start: int = 1) -> Iterator[int]:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(mark, start)
        while at > 0:
            yield at
            at = data.find(mark, at + 1)


def _read(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)
