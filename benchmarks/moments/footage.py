"""Pictures as a function of time, made of photos and real clips: what cases are put together from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
import skimage
import skvideo  # type: ignore[import-untyped]
from numpy.typing import NDArray

from benchmarks.splices import read_photo

WIDTH, HEIGHT, FPS = 480, 270, 10

Picture = NDArray[np.uint8]
Shot = Callable[[float], Picture]
"""Seconds → HEIGHT × WIDTH × 3, RGB."""


DEBIAN_PHOTOS = Path("/usr/share/backgrounds")
"""Where Debian's package lomiri-wallpapers-16.04 puts its photos (CC BY, CC BY-SA and CC0)."""
PHOTO_FOLDERS = (Path(skimage.__file__).parent / "data", DEBIAN_PHOTOS)
LARGEST_PHOTO = 1500
"""Pixels of the longest side; larger photos are scaled down to it."""


@lru_cache(maxsize=32)
def photo(name: str) -> Picture:
    """Read a photo by its file's stem; raises FileNotFoundError where no package with it is installed."""
    path = next((path for folder in PHOTO_FOLDERS for path in folder.glob(f"{name}.*")), None)
    if path is None:
        raise FileNotFoundError(
            f"no photo {name}: see benchmarks/moments/scenarios.py for the packages that carry them"
        )
    picture = read_photo(path)
    factor = LARGEST_PHOTO / max(picture.shape[:2])
    if factor >= 1:
        return picture
    size = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


@lru_cache(maxsize=4)
def clip_pictures(path: Path) -> tuple[list[Picture], float]:
    """Read all frames of a short clip at the bench's size, and how many it has a second."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 25)
        return [fit(frame.to_ndarray(format="rgb24").astype(np.uint8)) for frame in container.decode(stream)], rate


def packaged_clip(name: str) -> Path:
    """Find one of scikit-video's clips."""
    return Path(skvideo.__file__).parent / "datasets" / "data" / f"{name}.mp4"


def fit(picture: Picture, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """Scale a picture to fill the size, cut where the aspect ratio differs."""
    factor = max(height / picture.shape[0], width / picture.shape[1])
    size = max(width, round(picture.shape[1] * factor)), max(height, round(picture.shape[0] * factor))
    large = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return np.asarray(large[top : top + height, left : left + width], dtype=np.uint8)


def still(name: str) -> Shot:
    """Show a photo before a camera that stands still."""
    picture = fit(photo(name))
    return lambda second: picture


@dataclass(frozen=True)
class Pan:
    """A view that wanders over a photo: ``speed`` widths of the picture a second, ``zoom`` per second."""

    name: str
    speed: float = 0.01
    zoom: float = 0.0
    phase: float = 0.0

    def __call__(self, second: float) -> Picture:
        picture = fit(photo(self.name), 2 * WIDTH, 2 * HEIGHT)
        scale = 0.6 * float(np.exp(0.5 * np.sin(self.zoom * second))) / np.exp(0.5)
        width, height = 2 * WIDTH * scale, 2 * HEIGHT * scale
        way = self.phase + self.speed * second
        x = (2 * WIDTH - width) * (0.5 + 0.5 * np.sin(way * np.pi))
        y = (2 * HEIGHT - height) * (0.5 + 0.5 * np.cos(way * 2.2))
        view = np.array([[scale, 0, x], [0, scale, y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(picture, view, (WIDTH, HEIGHT), flags=flags), dtype=np.uint8)


@dataclass(frozen=True)
class Clip:
    """A part of a clip at its own pace, to its end and back again."""

    path: Path
    start: float = 0.0
    stop: float = float("inf")

    def __call__(self, second: float) -> Picture:
        pictures, rate = clip_pictures(self.path)
        first, last = round(self.start * rate), min(len(pictures), round(min(self.stop, 1e6) * rate)) - 1
        turn = max(1, last - first)
        place = round(second * rate) % (2 * turn)
        return pictures[first + (place if place <= turn else 2 * turn - place)]


def noisy(shot: Shot, sigma: float, seed: int) -> Shot:
    """Add sensor noise of its own to each moment of a shot."""

    def at(second: float) -> Picture:
        noise = np.random.default_rng([seed, round(second * 1000)]).normal(0, sigma, (HEIGHT, WIDTH, 3))
        return np.clip(shot(second) + noise, 0, 255).astype(np.uint8)

    return at


def compressed(pictures: list[Picture], crf: int, group: int) -> list[Picture]:
    """Pass pictures through H.264 and back; a key frame each ``group`` pictures, which pulses."""
    import io

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream(
            "libx264", rate=FPS, options={"preset": "veryfast", "crf": str(crf), "g": str(group)}
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in pictures:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as container:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]
