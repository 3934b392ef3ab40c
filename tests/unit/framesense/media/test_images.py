"""Every odd image is decoded as a person would see it; every bad one is refused in words; nothing else happens."""

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import skimage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from framesense.http.problems import ProblemError
from framesense.media.images import NPY_MEDIA_TYPE, ImageLimits, decode_image, encode_npy, looks_like, shrink

PHOTOS = Path(skimage.__file__).parent / "data"
LIMITS = ImageLimits(max_bytes=32 * 1024**2, max_pixels=64_000_000)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


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


# ---------------------------------------------------------------------------------------------- odd, but valid


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


# ------------------------------------------------------------------------------------------------------- bad


def test_empty() -> None:
    assert refusal(b"").status == 422


def test_too_many_bytes() -> None:
    data = file_of(Image.fromarray(picture()), "PNG")
    problem = refusal(data, ImageLimits(max_bytes=len(data) - 1, max_pixels=10**9))
    assert problem.status == 413
    assert f"{len(data) - 1:,}" in problem.detail


def test_too_many_pixels_by_one() -> None:
    data = file_of(Image.new("1", (101, 100)), "PNG")
    assert refusal(data, ImageLimits(max_bytes=10**6, max_pixels=10_099)).status == 413
    assert decode_image(data, ImageLimits(max_bytes=10**6, max_pixels=10_100)).shape == (100, 101, 3)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\0IDAT"


def webp_header(width: int, height: int) -> bytes:
    canvas = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + canvas


@pytest.mark.parametrize(
    "data",
    [
        png_header(65_000, 65_000),
        png_header(9_000, 9_000),
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 1000, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
        b"GIF89a"
        + struct.pack("<HHBBB", 65_000, 65_000, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
        + b"\2",
        webp_header(60_000, 60_000),
    ],
    ids=["png", "png-below-pillows-own-limit", "bmp", "gif", "webp"],
)
def test_bombs_are_refused_by_their_header_alone(data: bytes) -> None:
    # There is no picture behind these headers: a 413 shows that none was looked for.
    assert refusal(data).status == 413


def test_a_frame_larger_than_the_gifs_screen_counts() -> None:
    data = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, 65_000, 65_000, 0)
    assert refusal(data + b"\x08\x01\x00\x00;").status == 413


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9])
def test_cut_off_files(kind: str, kept: float) -> None:
    data = file_of(Image.fromarray(picture(200, 150)), kind)
    problem = refusal(data[: int(len(data) * kept)])
    assert problem.status == 422
    assert "cut off" in problem.detail


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_signature_and_nothing_else(kind: str) -> None:
    assert refusal(file_of(Image.fromarray(picture()), kind)[:12]).status == 422


SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (SVG, "SVG"),
        (b"<svg><circle r='1'/></svg>", "SVG"),
        (b"\n<!DOCTYPE html><html><body>no</body></html>", "HTML"),
        (b"<?xml version='1.0'?><note/>", "XML"),
        (b'{"caption": "none"}', "JSON"),
        ("Nur ein Text, mit Umlauten: äöü.".encode(), "plain text"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b"\0\0\0\x18ftypisom....", "MP4"),
        (b"\0\0\0\x18ftypheic....", "HEIC"),
        (b"\0\0\0\x18ftypavif....", "AVIF"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"\x93NUMPY\x01\x00", "NumPy"),
        (b"\x00\x01\x02\x03" * 9, "unknown"),
    ],
)
def test_other_files_named_png_are_told_for_what_they_look_like(data: bytes, words: str) -> None:
    problem = refusal(data)
    assert problem.status == 415
    assert words in problem.detail


def test_text_cut_within_a_character_is_still_text() -> None:
    assert looks_like(b"x" * 1023 + "ä".encode()) == "plain text"


def test_other_formats_that_pillow_knows_are_refused() -> None:
    assert refusal(file_of(Image.fromarray(picture()), "PPM")).status == 415
    assert refusal(file_of(Image.fromarray(picture()), "ICO")).status == 415


SEEDS = [file_of(Image.fromarray(picture(24, 16)), kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")]


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=12))
def test_damaged_bytes_give_an_image_or_a_problem(seed: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(seed)
    for position, value in changes:
        data[position % len(data)] = value
    try:
        image = decode_image(bytes(data), ImageLimits(max_bytes=10**6, max_pixels=10**6))
    except ProblemError as problem:
        assert problem.status in (413, 415, 422)
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3


# ------------------------------------------------------------------------------------- arrays between services


def test_npy_is_the_same_as_png() -> None:
    from_array = decode(encode_npy(picture()), media_type=NPY_MEDIA_TYPE)
    assert np.array_equal(from_array, decode(file_of(Image.fromarray(picture()), "PNG")))


def test_npy_of_a_view() -> None:
    flipped = picture()[:, ::-1]
    assert np.array_equal(decode(encode_npy(flipped), media_type=NPY_MEDIA_TYPE), flipped)


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        npy(np.zeros((4, 4), np.uint8)),
        npy(np.zeros((4, 4, 4), np.uint8)),
        npy(np.zeros((0, 4, 3), np.uint8)),
        npy(np.zeros((4, 4, 3), np.float32)),
        npy(np.asfortranarray(np.zeros((4, 5, 3), np.uint8))),
        npy(np.array([{"pickled": 1}], dtype=object)),
        encode_npy(picture())[:-1],
        encode_npy(picture()) + b"\0",
        encode_npy(picture())[:20],
        b"not an array",
    ],
    ids=["2-d", "4-channels", "empty", "float", "fortran", "pickle", "short", "long", "header-cut", "text"],
)
def test_bad_arrays(data: bytes) -> None:
    assert refusal(data, media_type=NPY_MEDIA_TYPE).status == 422


def test_an_array_that_only_claims_to_be_huge() -> None:
    data = encode_npy(picture()).replace(b"(32, 48, 3)", b"(99999, 99999, 3)")[:128]
    header = data.index(b"{")
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999, 99999, 3), }"
    data = data[:header] + text.ljust(128 - header - 1) + b"\n"
    assert refusal(data, media_type=NPY_MEDIA_TYPE).status == 413


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720), (3120, 1560), (640, 480), (300, 2080)])
def test_shrinking_first_changes_nothing_where_the_factor_divides(width: int, height: int) -> None:
    def squash(image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).resize((260, 260), Image.Resampling.BICUBIC, reducing_gap=2.0))

    frame = picture(width, height)
    small = shrink(frame, 520)
    assert min(small.shape[:2]) >= min(520, width, height)
    assert np.array_equal(squash(small), squash(frame))


def _npy_header(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4, 3), ",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (-4, -4, 3)}",
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -16, 3)}",
        b"{'descr': [1], 'fortran_order': False, 'shape': (4, 4, 3)}",
        b"{'descr': ('|u1', 7), 'fortran_order': False, 'shape': (4, 4, 3)}",
        b"{1: 2, 'descr': '|u1'}",
        b"{[]: 2}",
        b"(" * 5000,
        b"-" * 9000 + b"1",
        b"\x27\x27\x27",
        b"\xff\xfe\x00",
        b"",
    ],
)
def test_a_hostile_npy_header_is_a_damaged_image(header: bytes) -> None:
    with pytest.raises(ProblemError) as refused:
        decode(_npy_header(header) + bytes(48), media_type=NPY_MEDIA_TYPE)
    assert (refused.value.status, refused.value.slug) == (422, "damaged-image")


def test_any_bytes_as_an_npy_header_are_refused_or_decoded() -> None:
    whole, chance = npy(np.zeros((4, 4, 3), np.uint8)), np.random.default_rng(0)
    for _ in range(2000):
        changed = bytearray(whole)
        for place in chance.integers(0, len(whole) - 48, size=chance.integers(1, 6)):
            changed[place] = chance.integers(0, 256)
        with suppress(ProblemError):
            assert decode(bytes(changed), media_type=NPY_MEDIA_TYPE).shape[2] == 3
