"""PNGs that name their colours by code points (cICP), against the same conversions by profiles and in plain numpy."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from framesense.media.code_points import CodePoints, read_code_points, to_primaries
from framesense.media.high_dynamic_range import BT2020_TO_BT709, REFERENCE_WHITE, Transfer, tone_mapped
from framesense.media.images import ImageLimits, decode_image
from tests.support.icc import DISPLAY_P3, linear_to_srgb, rgb_profile, srgb_to_linear

LIMITS = ImageLimits(10**7, 10**6)
COLOURS = np.random.default_rng(11).integers(0, 256, (24, 32, 3)).astype(np.uint8)
SIGNATURE, HEADER = 8, 25
"""Bytes before the place of cICP: the file's signature and its IHDR."""


def with_chunk(png: bytes, content: bytes, kind: bytes = b"cICP") -> bytes:
    at = SIGNATURE + HEADER
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return png[:at] + chunk + png[at:]


def png(picture: NDArray[Any], content: bytes | None, **options: Any) -> bytes:
    written = io.BytesIO()
    Image.fromarray(picture).save(written, "PNG", **options)
    return written.getvalue() if content is None else with_chunk(written.getvalue(), content)


def shown(picture: NDArray[Any], content: bytes | None, **options: Any) -> NDArray[np.float64]:
    return decode_image(png(picture, content, **options), LIMITS).astype(np.float64)


def test_display_p3_is_as_by_its_profile() -> None:
    found = shown(COLOURS, bytes([12, 13, 0, 1]))
    by_profile = shown(COLOURS, None, icc_profile=rgb_profile(DISPLAY_P3))
    assert np.abs(found - by_profile).max() <= 2
    assert np.abs(found - COLOURS).max() > 30


@pytest.mark.parametrize("transfer", [1, 6, 13])
def test_srgb_and_the_curves_of_video_stay_as_they_are(transfer: int) -> None:
    """Code points go before a profile and a gamma."""
    found = shown(COLOURS, bytes([1, transfer, 0, 1]), icc_profile=rgb_profile(DISPLAY_P3))
    assert np.array_equal(found, COLOURS)


@pytest.mark.parametrize(("transfer", "gamma"), [(4, 2.2), (5, 2.8), (8, 1.0)])
def test_powers(transfer: int, gamma: float) -> None:
    right = 255 * linear_to_srgb((COLOURS / 255) ** gamma)
    assert np.abs(shown(COLOURS, bytes([1, transfer, 0, 1])) - right).max() <= 0.51


def test_narrow_range_is_widened() -> None:
    narrow = np.rint(16 + COLOURS / 255 * 219).astype(np.uint8)
    assert np.abs(shown(narrow, bytes([1, 13, 0, 0])) - COLOURS).max() <= 1


def pq(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of SMPTE ST 2084's EOTF."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = (nits / 10000) ** m1
    return np.asarray(((c1 + c2 * power) / (1 + c3 * power)) ** m2)


@pytest.mark.parametrize("deep", [False, True])
def test_pq_in_bt2020_shows_the_standard_range_as_it_was(deep: bool) -> None:
    """Colours below the knee, written as HDR with white at 203 cd/m², come back; 8 bits of PQ are coarse."""
    dark = np.random.default_rng(2).integers(20, 200, (16, 16, 3)).astype(np.uint8)
    light = srgb_to_linear(dark / 255) @ np.linalg.inv(BT2020_TO_BT709).T
    signal = pq(np.clip(light, 0, None) * REFERENCE_WHITE)
    content = bytes([9, 16, 0, 1])
    data = deep_png(np.rint(signal * 65535)) if deep else png(np.rint(signal * 255).astype(np.uint8), None)
    found = decode_image(with_chunk(data, content), LIMITS).astype(np.float64)
    assert np.abs(found - dark).max() <= 12
    assert np.abs(found - dark).mean() <= 2


def deep_png(values: NDArray[np.float64]) -> bytes:
    """Write 16 bits a colour, which Pillow does not."""
    height, width, _ = values.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    ends = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + ends


def test_hlg_is_mapped_as_video_is() -> None:
    found = shown(COLOURS, bytes([9, 18, 0, 1]))
    right = tone_mapped(COLOURS.astype(np.uint16) * 257, Transfer.HLG).astype(np.float64)
    assert np.abs(found - right).max() <= 1


def test_greys_and_transparency() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found = shown(grey, bytes([9, 16, 0, 1]))
    assert np.array_equal(found, shown(np.repeat(grey[..., None], 3, axis=-1), bytes([9, 16, 0, 1])))
    clear = np.dstack([COLOURS, np.zeros(COLOURS.shape[:2], np.uint8)])
    assert shown(clear, bytes([9, 16, 0, 1])).min() == 255


@pytest.mark.parametrize(
    "content", [bytes([2, 2, 0, 1]), bytes([9, 16, 1, 1]), bytes([9, 16, 0, 7]), bytes([9, 16, 0]), b""]
)
def test_what_says_nothing_that_can_be_used_is_passed_over(content: bytes) -> None:
    assert np.array_equal(shown(COLOURS, content), COLOURS)


def test_it_is_read_from_pngs_alone_and_before_the_picture() -> None:
    whole = png(COLOURS, bytes([12, 13, 0, 1]))
    assert read_code_points(whole) == CodePoints(12, 13)
    assert read_code_points(whole[:50]) is None or read_code_points(whole[:50]) == CodePoints(12, 13)
    assert read_code_points(b"x" + whole) is None
    assert read_code_points(whole[: SIGNATURE + HEADER + 10]) is None


def test_matrices_are_those_of_the_standards() -> None:
    assert np.abs(to_primaries(9) - BT2020_TO_BT709).max() < 2e-4
    for number in (1, 4, 9, 11, 12):
        assert to_primaries(number) @ np.ones(3) == pytest.approx(np.ones(3), abs=1e-5), "white stays white"
