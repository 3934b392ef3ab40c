"""Uncompressed TIFFs of any kind of pixels, in either byte order (TIFF 6.0)."""

import struct
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WHITE_IS_ZERO, BLACK_IS_ZERO, COLOUR = 0, 1, 2


def tiff(
    pixels: NDArray[np.generic], order: Literal["<", ">"], *, photometric: int | None = None, orientation: int = 1
) -> bytes:
    """``pixels``: H × W or H × W × channels of any type; ``order``: ``<`` or ``>``."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if photometric is None:
        photometric = COLOUR if channels >= 3 else BLACK_IS_ZERO
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    data += bytes(len(data) % 2)
    short, long = "H", "I"
    tags: list[tuple[int, str, list[int]]] = [
        (256, short, [width]),
        (257, short, [height]),
        (258, short, [8 * pixels.dtype.itemsize] * channels),
        (259, short, [1]),
        (262, short, [photometric]),
        (273, long, [8]),
        (274, short, [orientation]),
        (277, short, [channels]),
        (278, short, [height]),
        (279, long, [len(data)]),
        *([(338, short, [2])] if channels in (2, 4) else []),
        (339, short, [{"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * channels),
    ]
    beyond = 8 + len(data) + 2 + 12 * len(tags) + 4
    directory, more = struct.pack(f"{order}H", len(tags)), b""
    for tag, kind, values in tags:
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(packed) > 4:
            packed, more = struct.pack(f"{order}I", beyond + len(more)), more + packed
        directory += struct.pack(f"{order}HHI", tag, 3 if kind == short else 4, len(values)) + packed.ljust(4, b"\0")
    magic = {"<": b"II*\0", ">": b"MM\0*"}[order]
    return magic + struct.pack(f"{order}I", 8 + len(data)) + data + directory + bytes(4) + more
