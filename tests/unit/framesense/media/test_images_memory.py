"""How much memory a picture takes while it is decoded: bounded by its pixels, whatever their type."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from tests.support.icc import DISPLAY_P3, rgb_profile

SIDE = 4096
BYTES_A_PIXEL = 10
"""Of the decoder's picture there are 4, of the one that is returned 3; the rest is for bands and the file."""

# The peak of the process itself (VmHWM): ru_maxrss also counts that of the process which it was forked from.
MEASURE = """
import re, sys
from pathlib import Path
from framesense.media.images import ImageLimits, decode_image

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

content = Path(sys.argv[1]).read_bytes()
before = peak()
picture = decode_image(content, ImageLimits(10**9, 10**9))
print(peak() - before, *picture.shape)
"""


def _grey() -> np.ndarray:
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return ((x // 64 + y // 64) % 256).astype(np.uint8)


def _rgb() -> Image.Image:
    grey = _grey()
    return Image.fromarray(np.stack([grey, np.roll(grey, 1000, 0), np.roll(grey, 2000, 1)], -1))


def _float_tiff() -> bytes:
    return _saved(Image.fromarray(_grey().astype(np.float32) / 255), "TIFF", compression="tiff_adobe_deflate")


def _int32_tiff() -> bytes:
    return _saved(Image.fromarray(_grey().astype(np.int32) * 1000), "TIFF", compression="tiff_adobe_deflate")


def _translucent() -> bytes:
    image = _rgb()
    image.putalpha(Image.fromarray(_grey()))
    return _saved(image, "PNG", compress_level=1)


def _palette() -> bytes:
    return _saved(Image.fromarray(_grey()).convert("P"), "PNG", transparency=3, compress_level=1)


def _rotated() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return _saved(_rgb(), "JPEG", exif=exif)


def _display_p3() -> bytes:
    return _saved(_rgb(), "JPEG", icc_profile=rgb_profile(DISPLAY_P3))


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("make", [_float_tiff, _int32_tiff, _translucent, _palette, _rotated, _display_p3])
def test_memory_follows_the_pixels(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "picture"
    file.write_bytes(make())
    printed = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)], capture_output=True, text=True, check=True
    ).stdout
    used, *shape = map(int, printed.split())
    assert shape == [SIDE, SIDE, 3]
    assert used <= BYTES_A_PIXEL * SIDE**2, f"{used / SIDE**2:.1f} bytes a pixel"
