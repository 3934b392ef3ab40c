"""Colours of every mode and profile, against the same conversions in plain numpy."""

import colorsys
import io
import struct
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from framesense.media import colours
from framesense.media.colours import to_srgb
from framesense.media.images import ImageLimits, decode_image
from tests.support.icc import (
    ADOBE_GAMMA,
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB,
    cmyk_profile,
    grey_profile,
    lab_to_srgb,
    linear_to_srgb,
    rgb_profile,
    srgb_to_linear,
    xyz_to_srgb,
)
from tests.support.tiffs import WHITE_IS_ZERO, tiff

Pixels = NDArray[Any]
LIMITS = ImageLimits(10**7, 10**6)
RNG = np.random.default_rng(5)
SIZE = (12, 16)
BYTES = RNG.integers(0, 256, (*SIZE, 4)).astype(np.uint8)
BYTES[0, 0], BYTES[0, 1] = 0, 255
WIDE = RNG.integers(0, 65536, SIZE).astype(np.uint16)


def _grey(values: Pixels) -> Pixels:
    return np.repeat(values[..., None].astype(np.float64), 3, axis=-1)


def _over_white(colours: Pixels, alpha: Pixels) -> Pixels:
    share = alpha[..., None].astype(np.float64) / 255
    return colours * share + 255 * (1 - share)


def _cmyk(inks: Pixels) -> Pixels:
    light = 1 - inks.astype(np.float64) / 255
    return 255 * light[..., :3] * light[..., 3:]


def _ycbcr(values: Pixels) -> Pixels:
    y, cb, cr = (values[..., n].astype(np.float64) for n in range(3))
    cb, cr = cb - 128, cr - 128
    return np.clip(np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1), 0, 255)


def _hsv(values: Pixels) -> Pixels:
    flat = [colorsys.hsv_to_rgb(*pixel) for pixel in values.reshape(-1, 3) / 255]
    return 255 * np.array(flat).reshape(values.shape)


def _lab(values: Pixels) -> Pixels:
    return lab_to_srgb(values.astype(np.float64) * [100 / 255, 1, 1] - [0, 128, 128])


def _premultiplied(colours: Pixels, alpha: Pixels) -> Pixels:
    return np.rint(colours * (alpha[..., None] / 255)).astype(np.uint8)


def _palette(mode: str) -> Image.Image:
    image = Image.fromarray(BYTES[..., 0]).convert("P")
    image.putpalette(PALETTE.tobytes())
    if mode == "PA":
        image = image.convert("PA")
        image.putalpha(Image.fromarray(BYTES[..., 3]))
    return image


PALETTE = RNG.integers(0, 256, (256, 3)).astype(np.uint8)
ALPHA = np.where(BYTES[..., 3] > 127, 255, BYTES[..., 3]).astype(np.uint8)
SOFT_LAB = np.stack([BYTES[..., 0], 118 + BYTES[..., 1] // 12, 118 + BYTES[..., 2] // 12], axis=-1).astype(np.uint8)


def _raw(mode: str, values: Pixels) -> Image.Image:
    return Image.frombytes(mode, (SIZE[1], SIZE[0]), np.ascontiguousarray(values).tobytes())


MODES: dict[str, tuple[Callable[[], Image.Image], Pixels]] = {
    "1": (lambda: Image.fromarray(BYTES[..., 0] > 127), _grey(255 * (BYTES[..., 0] > 127))),
    "L": (lambda: _raw("L", BYTES[..., 0]), _grey(BYTES[..., 0])),
    "LA": (lambda: _raw("LA", BYTES[..., 2:]), _over_white(_grey(BYTES[..., 2]), BYTES[..., 3])),
    "La": (
        lambda: _raw("La", np.stack([_premultiplied(BYTES[..., :1], ALPHA)[..., 0], ALPHA], axis=-1)),
        _over_white(_grey(BYTES[..., 0]), ALPHA),
    ),
    "P": (lambda: _palette("P"), PALETTE[BYTES[..., 0]]),
    "PA": (lambda: _palette("PA"), _over_white(PALETTE[BYTES[..., 0]], BYTES[..., 3])),
    "RGB": (lambda: _raw("RGB", BYTES[..., :3]), BYTES[..., :3]),
    "RGBX": (lambda: _raw("RGBX", BYTES), BYTES[..., :3]),
    "RGBA": (lambda: _raw("RGBA", BYTES), _over_white(BYTES[..., :3], BYTES[..., 3])),
    "RGBa": (
        lambda: _raw("RGBa", np.dstack([_premultiplied(BYTES[..., :3], ALPHA), ALPHA])),
        _over_white(BYTES[..., :3], ALPHA),
    ),
    "CMYK": (lambda: _raw("CMYK", BYTES), _cmyk(BYTES)),
    "YCbCr": (lambda: _raw("YCbCr", BYTES[..., :3]), _ycbcr(BYTES[..., :3])),
    "HSV": (lambda: _raw("HSV", BYTES[..., :3]), _hsv(BYTES[..., :3])),
    "LAB": (lambda: _raw("LAB", SOFT_LAB ^ np.array([0, 128, 128], np.uint8)), _lab(SOFT_LAB)),
    "I": (lambda: Image.fromarray(WIDE.astype(np.int32)), _grey(WIDE / 257)),
    "F": (lambda: Image.fromarray((WIDE / 65535).astype(np.float32)), _grey(WIDE / 257)),
    "I;16": (lambda: _raw("I;16", WIDE.astype("<u2")), _grey(WIDE / 257)),
    "I;16L": (lambda: _raw("I;16L", WIDE.astype("<u2")), _grey(WIDE / 257)),
    "I;16B": (lambda: _raw("I;16B", WIDE.astype(">u2")), _grey(WIDE / 257)),
    "I;16N": (lambda: _raw("I;16N", WIDE), _grey(WIDE / 257)),
}


@pytest.mark.parametrize("band_pixels", [1, colours.BAND_PIXELS])
@pytest.mark.parametrize("mode", Image.MODES)
def test_every_mode_of_pillow(mode: str, band_pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colours, "BAND_PIXELS", band_pixels)
    make, expected = MODES[mode]
    image = make()
    assert image.mode == mode
    found = np.asarray(to_srgb(image))
    assert found.shape == (*SIZE, 3)
    assert np.abs(found.astype(float) - expected).max() <= (3 if mode == "LAB" else 2)


@pytest.mark.parametrize("band_pixels", [1, 20, colours.BAND_PIXELS])
@pytest.mark.parametrize("orientation", range(10))
def test_upright_as_pillow_does_it(orientation: int, band_pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colours, "BAND_PIXELS", band_pixels)
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8))
    found = to_srgb(image, orientation=orientation)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    assert np.array_equal(found, np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("pixels", "photometric", "expected"),
    [
        (WIDE, None, WIDE / 257),
        (WIDE // 2, None, WIDE // 2 / 257),
        ((WIDE // 2).astype(np.int16), None, WIDE // 2 / 257),
        (WIDE.astype(np.int32), None, WIDE / 257),
        ((WIDE / 65535).astype(np.float32), None, WIDE / 257),
        ((WIDE / 65535).astype(np.float32), WHITE_IS_ZERO, 255 - WIDE / 257),
        (BYTES[..., 0], WHITE_IS_ZERO, 255 - BYTES[..., 0].astype(float)),
        (np.stack([WIDE, WIDE[::-1], WIDE[:, ::-1]], axis=-1), None, None),
    ],
)
def test_either_byte_order_means_the_same(
    pixels: Pixels, photometric: int | None, expected: Pixels | None, orientation: int, order: Literal["<", ">"]
) -> None:
    found = decode_image(tiff(pixels, order, photometric=photometric, orientation=orientation), LIMITS)
    reference = pixels / 257 if expected is None else _grey(expected)
    upright = np.rot90(reference, -1) if orientation == 6 else reference
    assert np.abs(found - upright).max() <= 1


def test_white_is_zero_with_16_bits() -> None:
    found = decode_image(tiff(WIDE, "<", photometric=WHITE_IS_ZERO), LIMITS)
    assert np.abs(found - _grey(255 - WIDE / 257)).max() <= 1


# ------------------------------------------------------------------------------------------------------- profiles


def _file(image: Image.Image, kind: str, icc: bytes) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, icc_profile=icc, **({"lossless": True} if kind == "WEBP" else {}))
    return stream.getvalue()


def _through(primaries: Pixels, linear: Pixels) -> Pixels:
    return xyz_to_srgb(linear @ primaries.T)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(
    ("icc", "expected"),
    [
        (rgb_profile(DISPLAY_P3), _through(DISPLAY_P3, srgb_to_linear(BYTES[..., :3] / 255))),
        (rgb_profile(ADOBE_RGB, ADOBE_GAMMA), _through(ADOBE_RGB, (BYTES[..., :3] / 255) ** ADOBE_GAMMA)),
        (rgb_profile(SRGB, 1.0), _through(SRGB, BYTES[..., :3] / 255)),
    ],
    ids=["Display P3", "Adobe RGB", "linear sRGB"],
)
def test_profiles_of_displays(icc: bytes, expected: Pixels, kind: str) -> None:
    found = decode_image(_file(Image.fromarray(BYTES[..., :3]), kind, icc), LIMITS)
    assert np.abs(found.astype(int) - expected).max() <= 3
    with_alpha = decode_image(_file(Image.fromarray(BYTES), kind, icc), LIMITS)
    visible = BYTES[..., 3] > 0  # WebP may forget the colours of what is transparent
    assert np.abs(with_alpha - _over_white(expected, BYTES[..., 3]))[visible].max() <= 3
    assert (with_alpha[~visible] == 255).all()


def test_srgb_by_its_profile_stays_as_it_is() -> None:
    found = decode_image(_file(Image.fromarray(BYTES[..., :3]), "PNG", rgb_profile(SRGB)), LIMITS)
    assert np.array_equal(found, BYTES[..., :3])


def test_a_palette_and_greys_with_the_profile_of_a_display() -> None:
    icc = rgb_profile(DISPLAY_P3)
    palette = decode_image(_file(_palette("P"), "PNG", icc), LIMITS)
    assert np.abs(palette.astype(int) - _through(DISPLAY_P3, srgb_to_linear(PALETTE[BYTES[..., 0]] / 255))).max() <= 3
    grey = decode_image(_file(Image.fromarray(BYTES[..., 0]), "PNG", icc), LIMITS)
    assert np.abs(grey - _grey(BYTES[..., 0])).max() <= 2


def test_profiles_of_greys() -> None:
    expected = _grey(255 * linear_to_srgb(BYTES[..., 0] / 255))
    icc = grey_profile(1.0)
    assert np.abs(decode_image(_file(_raw("L", BYTES[..., 0]), "PNG", icc), LIMITS) - expected).max() <= 2
    wide = decode_image(_file(Image.fromarray(BYTES[..., 0].astype(np.uint16) * 257), "PNG", icc), LIMITS)
    assert np.abs(wide - expected).max() <= 2
    alpha = decode_image(_file(_raw("LA", BYTES[..., [0, 3]]), "PNG", icc), LIMITS)
    assert np.abs(alpha - _over_white(expected, BYTES[..., 3])).max() <= 2


def test_profiles_of_presses() -> None:
    """Each overprint of full inks has the colour that the profile measured, which plain arithmetic cannot know."""
    corners = np.zeros((2, 2, 2, 2, 3))
    for c, m, y, k in np.ndindex(2, 2, 2, 2):
        lightness = 0 if k else 100 - 25 * c - 30 * m - 5 * y - (10 if c and m and y else 0)
        corners[c, m, y, k] = (lightness, 0 if k else 30 * m - 20 * c, 0 if k else 35 * y - 30 * c)
    corners[1, 1, 1, :] = 0
    inks = 255 * np.array(list(np.ndindex(2, 2, 2, 2)), np.uint8)[None]
    image = Image.frombytes("CMYK", (16, 1), inks.tobytes())
    found = decode_image(_file(image, "TIFF", cmyk_profile(corners)), LIMITS)[0]
    expected = lab_to_srgb(corners.reshape(-1, 3))
    assert np.abs(found.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(
    ("mode", "icc"), [("RGB", b"no profile"), ("RGB", grey_profile(1.0)), ("L", b""), ("RGB", rgb_profile(SRGB)[:200])]
)
def test_profiles_that_do_not_fit_are_passed_over(mode: str, icc: bytes) -> None:
    image = _raw(mode, BYTES[..., :3] if mode == "RGB" else BYTES[..., 0])
    image.info["icc_profile"] = icc
    assert np.array_equal(np.asarray(to_srgb(image)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(
    ("gamma", "marked"), [(1.0, False), (1 / 1.8, False), (1 / 2.2, False), (1.0, True), (0, False)]
)
def test_a_png_s_gamma_counts_unless_it_says_srgb(gamma: float, marked: bool) -> None:
    info = PngInfo()
    info.add(b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    if marked:
        info.add(b"sRGB", b"\0")
    written = io.BytesIO()
    Image.fromarray(BYTES[..., :3]).save(written, "PNG", pnginfo=info)
    shown = decode_image(written.getvalue(), LIMITS)
    right = BYTES[..., :3].astype(float)
    if gamma in (1.0, 1 / 1.8) and not marked:
        right = 255 * linear_to_srgb((right / 255) ** (1 / gamma))
    assert np.abs(np.asarray(shown).astype(float) - right).max() <= 0.51
