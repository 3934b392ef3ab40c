"""Photo sets for the tests: pictures of one colour and some noise, in zips of every kind."""

import io
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 50, 220), "white": (240, 240, 240)}


def photo(colour: str, seed: int = 0, size: tuple[int, int] = (64, 48), kind: str = "JPEG") -> bytes:
    """A file of a picture that is mostly of one of the colours. ``size``: width, height."""
    noise = np.random.default_rng(seed).integers(-25, 26, (size[1], size[0], 3))
    pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # the same bytes every time
    return stream.getvalue()


def grouped_photos(groups: Mapping[str, Sequence[str]]) -> dict[str, bytes]:
    """A folder a group, a photo a colour named: {"hotel 1": ["red", "red", "blue"]}."""
    return {
        f"photos/{group}/{index}.jpg": photo(colour, seed=1000 * row + index)
        for row, (group, colours) in enumerate(groups.items())
        for index, colour in enumerate(colours)
    }
