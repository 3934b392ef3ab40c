"""Files that are refused, in words, before they cost anything."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from framesense.http.problems import ProblemError
from framesense.media.images import ImageLimits, decode_image, looks_like
from tests.support.image_files import file_of, picture, refusal


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
