"""Bring a picture of any mode and colour space to 8-bit sRGB over white: what a colour-managed viewer shows.

Everything after works on sRGB and writes files without a profile, which viewers take as sRGB. So the conversion happens
once, here.

It goes in bands of rows, straight into the array that is returned: of what lies between there is never more than a
band, whatever a picture's size and type.
"""

import io
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from framesense.media.code_points import CodePoints, conversion_to_srgb

RGB = NDArray[np.uint8]
"""H × W × 3, 0 to 255, sRGB."""

BAND_PIXELS = 1 << 20
_Conversion = Callable[[Image.Image], Image.Image]
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""Pillow's mode of each colour space that a profile may be of."""
_LIKE_SRGB = 2
"""Values by which colours may move under a profile that is sRGB but for rounding."""
_Turn = Image.Transpose
_TURNS = {
    2: _Turn.FLIP_LEFT_RIGHT,
    3: _Turn.ROTATE_180,
    4: _Turn.FLIP_TOP_BOTTOM,
    5: _Turn.TRANSPOSE,
    6: _Turn.ROTATE_270,
    7: _Turn.TRANSVERSE,
    8: _Turn.ROTATE_90,
}
"""What makes a picture of each EXIF orientation upright."""
_ON_ITS_SIDE = frozenset({_Turn.TRANSPOSE, _Turn.ROTATE_270, _Turn.TRANSVERSE, _Turn.ROTATE_90})
"""Those that make rows columns."""
_FROM_BELOW = frozenset({_Turn.ROTATE_180, _Turn.FLIP_TOP_BOTTOM, _Turn.ROTATE_270, _Turn.TRANSVERSE})
"""Those after which the first row, or column, is what the last one was."""
SRGB_GAMMA = 2.2
"""The power that comes near to sRGB's curve."""
GAMMA_TOLERANCE = 0.05
"""Share by which a PNG's gamma may differ from that and mean the same."""
LEAST_GAMMA = 0.1
"""A gamma below, or above its reciprocal, is no picture's."""
_SAMPLES = np.stack(np.meshgrid(*[np.arange(0, 256, 51, dtype=np.uint8)] * 3), axis=-1).reshape(6, 36, 3)


def to_srgb(
    image: Image.Image,
    *,
    orientation: object = None,
    white_is_zero: bool = False,
    code_points: CodePoints | None = None,
) -> RGB:
    """Return a loaded image as an array: upright, its profile applied, transparency over white, wide greys scaled to 8
    bits.

    16-bit values are scaled by 255/65535, whatever their byte order and sign; floats within [0, 1] by 255; wider ones
    are stretched over their range. ``code_points``: of its colours; they go before its profile (PNG, third edition,
    4.3). ``white_is_zero``: wide greys count the other way. ``orientation``: EXIF's, 1 to 8
    (CIPA DC-008, 4.6.5); anything else leaves the picture as it is.
    """
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    lies = turn in _ON_ITS_SIDE
    picture = np.empty((image.width, image.height, 3) if lies else (image.height, image.width, 3), np.uint8)
    narrow = _narrowing(image, white_is_zero=white_is_zero) if _is_wide(image) else None
    profile = image.info.get("icc_profile")
    mode = "L" if narrow else _opaque_mode(image)
    if code_points is not None:
        convert = conversion_to_srgb(code_points)
    elif profile or mode == "LAB":
        convert = _converter(mode, profile)
    else:
        convert = _of_gamma(_gamma(image))
    for top, band in _bands(image):
        colours, alpha = _without_alpha(band)
        converted = convert(narrow(colours) if narrow else colours)
        if alpha is not None:
            converted = Image.composite(converted, Image.new("RGB", converted.size, "white"), alpha)
        if turn is not None:
            converted = converted.transpose(turn)
        start = image.height - top - band.height if turn in _FROM_BELOW else top
        place = slice(start, start + band.height)
        picture[(slice(None), place) if lies else place] = np.asarray(converted)
    return picture


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield the rows of an image in parts of about BAND_PIXELS, each with the number of its first row."""
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _is_wide(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _opaque_mode(image: Image.Image) -> str:
    """Return the mode of what :func:`_without_alpha` makes of an image."""
    if image.mode in ("LA", "La"):
        return "L"
    return "RGB" if image.has_transparency_data or image.mode in ("P", "RGBX") else image.mode


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Split an image into its colours and its opacity, None where all of it is opaque."""
    transparent = image.info.get("transparency")
    if image.mode.startswith("I"):
        if not isinstance(transparent, int):
            return image, None
        return image, Image.fromarray(np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8))
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode == "LA":  # stays grey, for profiles of greys
        return image.getchannel("L"), image.getchannel("A")
    if not image.has_transparency_data:
        return (image.convert("RGB") if image.mode in ("P", "RGBX") else image), None
    picture = image.convert("RGBA")
    return picture.convert("RGB"), picture.getchannel("A")


def _gamma(image: Image.Image) -> float | None:
    """Return the gamma that a PNG states and that counts: none of sRGB stands beside it (PNG, third edition, 4.3)."""
    gamma = image.info.get("gamma")
    if "srgb" in image.info or not isinstance(gamma, float) or not LEAST_GAMMA <= gamma <= 1 / LEAST_GAMMA:
        return None
    return None if abs(gamma * SRGB_GAMMA - 1) < GAMMA_TOLERANCE else gamma


def _of_gamma(gamma: float | None) -> _Conversion:
    """Return what takes values to the power of 1 / ``gamma`` for light, and writes that as sRGB; None: as they are."""
    if gamma is None:
        return _plain
    light = (np.arange(256) / 255) ** (1 / gamma)
    curved = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    table = np.rint(curved * 255).astype(int).tolist()
    return lambda image: image.convert("RGB").point(table * 3)


def _plain(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _converter(mode: str, icc: bytes | None) -> _Conversion:
    """Return what converts images of a mode by an ICC profile (ICC.1, through LittleCMS).

    A profile that cannot be read, or is of other colours, is passed over. CIE Lab without a profile is that of the
    profile connection space: D50.
    """
    taken = "L" if mode == "1" else mode
    try:
        if icc:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        else:
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        wanted = _PROFILE_MODES.get(source.profile.xcolor_space.strip())
        if wanted == "RGB" and taken == "L":
            taken = "RGB"
        if taken == wanted:
            apply = _transform(taken, source)
            return lambda image: apply(image if image.mode == taken else image.convert(taken))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        pass
    if mode == "LAB":
        return _converter(mode, None) if icc else _lightness
    return _plain


def _lightness(lab: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(lab)[..., :1].repeat(3, axis=-1))


def _transform(mode: str, source: ImageCms.ImageCmsProfile) -> _Conversion:
    grey = mode == "L"
    # Four inks on a finer grid take half a second, every time.
    precision = ImageCms.Flags.HIGHRESPRECALC if mode in ("RGB", "LAB") else ImageCms.Flags.NONE
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION | (ImageCms.Flags.NOOPTIMIZE if grey else precision),
    )

    def apply(image: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None
        return converted

    if grey:  # LittleCMS optimises greys to a coarse table, off by 8 in the shadows, and is slow without
        table = np.asarray(apply(Image.fromarray(np.arange(256, dtype=np.uint8)[None])))[0]
        return lambda image: Image.fromarray(table[np.asarray(image)])
    if mode == "RGB":
        sampled = np.asarray(apply(Image.fromarray(_SAMPLES)), np.int16)
        if np.abs(sampled - _SAMPLES).max() <= _LIKE_SRGB:
            return _plain  # exactly as it is
    return apply


def _narrowing(image: Image.Image, *, white_is_zero: bool) -> _Conversion:
    """Return what scales a wide image's greys to 8 bits, by the range of all of it."""
    kind = np.asarray(image.crop((0, 0, 1, 1))).dtype
    halved = kind.kind == "u" and kind.itemsize == 2
    low, high = (0.0, 65535.0) if halved else _range(image, kind.kind)

    def narrow(band: Image.Image) -> Image.Image:
        values = np.asarray(band)
        if halved:
            grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
        else:
            scale = 255 / max(high - low, np.finfo(np.float64).tiny)
            grey = np.rint((_finite(values) - low) * scale).astype(np.uint8)
        return Image.fromarray(255 - grey if white_is_zero else grey)

    return narrow


def _range(image: Image.Image, kind: str) -> tuple[float, float]:
    """Return the greys that become 0 and 255."""
    extremes = [(values.min(), values.max()) for values in (_finite(np.asarray(band)) for _, band in _bands(image))]
    low, high = float(min(least for least, _ in extremes)), float(max(most for _, most in extremes))
    if kind == "f" and low >= 0 and high <= 1:
        return 0.0, 1.0
    if kind == "i" and low >= 0 and high <= 65535:
        return 0.0, 65535.0
    return low, high


def _finite(values: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
