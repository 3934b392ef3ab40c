"""Pictures in files of every kind, and how they are decoded or refused."""

import io
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from framesense.http.problems import ProblemError
from framesense.media.images import ImageLimits, decode_image

PHOTOS = Path(skimage.__file__).parent / "data"


LIMITS = ImageLimits(max_bytes=32 * 1024**2, max_pixels=64_000_000)


def file_of(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def picture(width: int = 48, height: int = 32) -> np.ndarray:
    """Noise: no two pixels alike, nothing that a transposition leaves as it is."""
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def decode(data: bytes, **options: object) -> np.ndarray:
    return decode_image(data, LIMITS, **options)


def refusal(data: bytes, limits: ImageLimits = LIMITS, **options: object) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        decode_image(data, limits, name="photo.png", **options)
    assert "photo.png" in caught.value.detail
    return caught.value
