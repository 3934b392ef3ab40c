"""Fixed cameras with a small foreign object crossing the picture, rendered from real clips and photos: what the patch
signal should find, and where.

A case shows a host of :mod:`benchmarks.splices` for SECONDS frames. From ``start`` on an oval cut out of a photo moves
across it for STAY frames, about a seventh of the picture's height: too little for a pooled embedding to care much.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.splices import HEIGHT, SECONDS, WIDTH, Condition, FrameKey, Picture, Splices, read_photo
from worker.videos.motion import GAP

OBJECTS = {"astronaut": (0, 130, 180, 320), "chelsea": (70, 100, 230, 340), "coffee": (40, 190, 280, 440)}
"""Top, left, bottom, right of what is cut out of a photo: a face, a cat's face, a cup; pixels."""
STARTS, STAY = (16, 28), 5
SIZE = 0.15
"""Height of the object, of the picture's height."""


@dataclass(frozen=True)
class Passing:
    """A case of an object that passes.

    ``later``: the pictures GAP seconds after ``pictures``, from which motion is seen; ``boxes``: SECONDS × 4, top,
    left, bottom, right in [0, 1] of the picture; NaN while nothing is there.
    """

    host: str
    thing: str
    pictures: list[Picture]
    later: list[Picture]
    boxes: NDArray[np.float64]

    @property
    def odd(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.boxes[:, 0])


def passings(bench: Splices, hosts: tuple[str, ...], seed: int) -> Iterator[Passing]:
    """Yield every host with every object, early and late, along a path that the seed draws."""
    rng = np.random.default_rng(seed)
    for host, thing, start in itertools.product(hosts, OBJECTS, STARTS):
        keys = [FrameKey(host, float(second), Condition.CLEAN, 1.0, seed) for second in range(SECONDS)]
        pictures, boxes = [bench.render(key) for key in keys], np.full((SECONDS, 4), np.nan)
        later = [bench.render(replace(key, second=key.second + GAP)) for key in keys]
        cut = _cut_out(bench, thing)
        begin, end = rng.uniform([0.1, 0.1], [0.75, 0.8], (2, 2))
        pace = (end - begin) / (STAY - 1)
        for step in range(STAY):
            boxes[start + step] = _paste(pictures[start + step], cut, *(begin + pace * step))
            _paste(later[start + step], cut, *(begin + pace * (step + GAP)))
        yield Passing(host, thing, pictures, later, boxes)


def _cut_out(bench: Splices, thing: str) -> Picture:
    top, left, bottom, right = OBJECTS[thing]
    photo = read_photo(bench.path(thing))[top:bottom, left:right]
    height = round(SIZE * HEIGHT)
    size = round(height * photo.shape[1] / photo.shape[0]), height
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _paste(picture: Picture, cut: Picture, top: float, left: float) -> tuple[float, float, float, float]:
    """Blend an oval into the picture, in place; return its box."""
    height, width = cut.shape[:2]
    y, x = round(top * HEIGHT), round(left * WIDTH)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    alpha = np.clip((1 - np.hypot(rows, columns)) * 8, 0, 1)[..., None]
    place = picture[y : y + height, x : x + width]
    part = cut[: place.shape[0], : place.shape[1]]
    weight = alpha[: place.shape[0], : place.shape[1]]
    place[:] = (weight * part + (1 - weight) * place).astype(np.uint8)
    return y / HEIGHT, x / WIDTH, (y + part.shape[0]) / HEIGHT, (x + part.shape[1]) / WIDTH
