"""The worked examples: a few photos that come with this package, and drawings that are made when they are asked for."""

import io
import math
import random
import zipfile
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw

from framesense.schemas.edits import EditParameters
from ui.api import Photo

FOLDER = Path(__file__).parent / "assets" / "examples"
LABELS = ["cat", "coffee", "rocket", "night sky", "portrait", "food", "sea", "dog"]
"""Words for the photos: right ones and others."""
NEAR_DUPLICATE = 0.99
"""Cosine that the example's copies reach; some of its drawings, plain as they are, reach the usual 0.97."""

SHAPES = {"circle": 0, "square": 4, "triangle": 3, "star": 10}
"""Each with its number of corners."""
DRAWING_TEMPLATE = "a drawing of a {label}"
TAUGHT = range(6)
"""Drawings of each shape to learn from, by number; the others are to try and to measure."""
TRIED, MEASURED = range(50, 51), range(100, 108)
_SIDE = 224
_JPEG = "image/jpeg"


@cache
def photos() -> tuple[Photo, ...]:
    return tuple(Photo(path.name, _JPEG, path.read_bytes()) for path in sorted(FOLDER.glob("*.jpg")))


@cache
def video() -> tuple[str, bytes]:
    """Return the name and the bytes of a video: a table through which a cat slides, with a cut to a rocket and back."""
    path = FOLDER / "video" / "coffee-table.mp4"
    return path.name, path.read_bytes()


@cache
def edit() -> tuple[Photo, EditParameters]:
    """Return a tower by a lake on a bright day, and the parameters that turn it into night."""
    photo = FOLDER / "edit" / "pagoda.jpg"
    return Photo(photo.name, _JPEG, photo.read_bytes()), EditParameters(prompt="a tower at night", strength=0.9, seed=7)


@cache
def drawing(shape: str, number: int) -> Photo:
    """Draw a shape of any size, colour, place and angle: the same for the same number."""
    chance = random.Random(f"{shape} {number}")
    paper = tuple(chance.randrange(200, 256) for _ in range(3))
    ink = tuple(chance.randrange(0, 190) for _ in range(3))
    x, y, radius, turn = (chance.uniform(*span) for span in [(85, 139), (85, 139), (42, 76), (0, 2 * math.pi)])
    picture = Image.new("RGB", (_SIDE, _SIDE), paper)
    pen = ImageDraw.Draw(picture)
    if corners := SHAPES[shape]:
        reach = [radius, 0.42 * radius] if shape == "star" else [radius, radius]
        angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
        pen.polygon(
            [(x + reach[i % 2] * math.cos(a), y + reach[i % 2] * math.sin(a)) for i, a in enumerate(angles)], fill=ink
        )
    else:
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=ink)
    return Photo(f"{shape}-{number}.jpg", _JPEG, _jpeg(picture))


@cache
def drawings_archive() -> bytes:
    """Zip a folder of drawings for each shape."""
    return _zipped({f"{shape}/{number}.jpg": drawing(shape, number).data for shape in SHAPES for number in MEASURED})


@cache
def photo_set() -> bytes:
    """Zip photos, rougher copies of them, and drawings, in a folder each."""
    files = {f"photos/{photo.name}": photo.data for photo in photos()}
    files |= {f"copies/{photo.name}": _rougher(photo.data) for photo in photos()}
    files |= {f"drawings/{shape}-{n}.jpg": drawing(shape, n).data for shape in SHAPES for n in TAUGHT}
    return _zipped(files)


def _rougher(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        return _jpeg(picture, quality=80)


def _jpeg(picture: Image.Image, quality: int = 88) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def _zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)  # the same bytes every time
    return stream.getvalue()
