"""Pictures of every kind come back as they are."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests.support.image_files import PHOTOS, decode, file_of, picture

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("BMP", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})]
)
def test_lossless_formats_come_back_exactly(kind: str, options: dict[str, object]) -> None:
    image = picture()
    assert np.array_equal(decode(file_of(Image.fromarray(image), kind, **options)), image)


def test_jpeg_comes_back_nearly() -> None:
    photo = np.asarray(Image.open(PHOTOS / "astronaut.png").convert("RGB"))
    back = decode(file_of(Image.fromarray(photo), "JPEG", quality=95)).astype(int)
    assert back.shape == photo.shape
    assert np.abs(back - photo).mean() < 3


@pytest.mark.parametrize("name", ["astronaut.png", "camera.png", "rocket.jpg", "multipage.tif", "horse.png"])
def test_real_files(name: str) -> None:
    with Image.open(PHOTOS / name) as image:
        width, height = image.size
    assert decode((PHOTOS / name).read_bytes()).shape == (height, width, 3)


ORIENTATIONS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = file_of(Image.fromarray(picture()), kind, exif=exif, **options)
    assert np.array_equal(decode(data), ORIENTATIONS[orientation](picture()))


def test_exif_orientation_of_a_jpeg() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    halves = np.zeros((32, 64, 3), np.uint8)
    halves[:, :32] = RED
    halves[:, 32:] = BLUE
    upright = decode(file_of(Image.fromarray(halves), "JPEG", exif=exif, subsampling=0))
    assert upright.shape == (64, 32, 3)
    assert upright[5, 16, 0] > 240
    assert upright[60, 16, 2] > 240


def test_unreadable_exif_does_not_matter() -> None:
    data = file_of(Image.fromarray(picture()), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken")
    assert np.array_equal(decode(data), picture())


def test_alpha_goes_over_white() -> None:
    image = Image.new("RGBA", (3, 1))
    for x, pixel in enumerate([(255, 0, 0, 255), (0, 0, 255, 0), (0, 0, 0, 128)]):
        image.putpixel((x, 0), pixel)
    red, hidden, half = decode(file_of(image, "PNG"))[0].tolist()
    assert (tuple(red), tuple(hidden)) == (RED, WHITE)
    assert half == [127, 127, 127]


def test_grey_with_alpha_goes_over_white() -> None:
    image = Image.new("LA", (2, 1), (0, 0))
    image.putpixel((0, 0), (90, 255))
    assert decode(file_of(image, "PNG"))[0].tolist() == [[90] * 3, [255] * 3]


def test_palette_with_alpha() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    for x in range(3):
        image.putpixel((x, 0), x)
    data = file_of(image, "PNG", transparency=bytes([255, 0, 255]))
    assert Image.open(io.BytesIO(data)).mode == "P"
    assert [tuple(pixel) for pixel in decode(data)[0].tolist()] == [RED, WHITE, BLUE]


def test_gif_with_a_transparent_colour() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    assert [tuple(p) for p in decode(file_of(image, "GIF", transparency=1))[0].tolist()] == [RED, WHITE]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    cyan = decode(file_of(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), kind))[8, 8]
    assert cyan[0] < 10
    assert min(cyan[1:]) > 240
    black = decode(file_of(Image.new("CMYK", (16, 16), (0, 0, 0, 255)), kind))[8, 8]
    assert max(black) < 10


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_greys_are_scaled_not_clipped(kind: str) -> None:
    greys = np.array([[0, 256, 16_384, 32_768, 65_535]], np.uint16)
    assert decode(file_of(Image.fromarray(greys), kind))[0, :, 0].tolist() == [0, 1, 64, 128, 255]


def test_16_bit_colour() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compress(b"\0" + struct.pack(">6H", 65_535, 32_768, 0, 256, 16_384, 65_535))
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    assert decode(data)[0].tolist() == [[255, 128, 0], [1, 64, 255]]


def test_1_bit() -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert decode(file_of(image, "PNG"))[0].tolist() == [[0] * 3, [255] * 3]


@pytest.mark.parametrize(
    ("values", "greys"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[-1.0, 0.0, 3.0]], np.float32), [0, 64, 255]),
        (np.array([[0.0, np.nan, 1.0]], np.float32), [0, 0, 255]),
        (np.array([[0, 32_768, 65_535]], np.int32), [0, 128, 255]),
        (np.array([[0, 500_000, 1_000_000]], np.int32), [0, 128, 255]),
    ],
)
def test_wide_tiff_values_are_scaled(values: np.ndarray, greys: list[int]) -> None:
    assert np.abs(decode(file_of(Image.fromarray(values), "TIFF"))[0, :, 0].astype(int) - greys).max() <= 1


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = file_of(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert np.array_equal(decode(data), np.full((8, 8, 3), RED))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (4001, 1), (257, 129)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_odd_sizes(size: tuple[int, int], kind: str) -> None:
    assert decode(file_of(Image.new("RGB", size, "white"), kind)).shape == (size[1], size[0], 3)


def test_large_jpeg_may_be_decoded_smaller_but_not_too_small() -> None:
    data = file_of(Image.fromarray(picture(2400, 1200)), "JPEG")
    height, width = decode(data, least_side=260).shape[:2]
    assert (height, width) == (300, 600)
    assert decode(data, least_side=1200).shape == (1200, 2400, 3)
    assert decode(file_of(Image.fromarray(picture(600, 300)), "PNG"), least_side=100).shape == (300, 600, 3)


def test_the_name_and_declared_type_do_not_matter() -> None:
    data = file_of(Image.fromarray(picture()), "PNG")
    assert np.array_equal(decode(data, name="photo.jpg", media_type="image/jpeg"), picture())
