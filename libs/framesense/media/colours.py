"""Bring a picture of any mode and colour space to 8-bit sRGB over white: what a colour-managed viewer shows.

Everything after works on sRGB and writes files without a profile, which viewers take as sRGB. So the conversion happens
once, here.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
"""Pillow's mode of each colour space that a profile may be of."""
_LIKE_SRGB = 2
"""Values by which colours may move under a profile that is sRGB but for rounding."""
_SAMPLES = np.stack(np.meshgrid(*[np.arange(0, 256, 51, dtype=np.uint8)] * 3), axis=-1).reshape(6, 36, 3)


def to_srgb(image: Image.Image, *, white_is_zero: bool = False) -> Image.Image:
    """Return a loaded image as RGB: its profile applied, transparency over white, wide greys scaled to 8 bits.

    16-bit values are scaled by 255/65535, whatever their byte order and sign; floats within [0, 1] by 255; wider ones
    are stretched over their range. ``white_is_zero``: wide greys count the other way.
    """
    profile = image.info.get("icc_profile")
    wide = image.mode.startswith("I") or image.mode == "F"
    image, alpha = _without_alpha(image)
    if wide:
        grey = _to_bytes(np.asarray(image))
        image = Image.fromarray(255 - grey if white_is_zero else grey)
    picture = _converted(image, profile) if profile or image.mode == "LAB" else image.convert("RGB")
    if alpha is None:
        return picture
    return Image.composite(picture, Image.new("RGB", picture.size, "white"), alpha)


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


def _converted(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert by an ICC profile (ICC.1, through LittleCMS); one that cannot be read, or is of other colours, is passed
    over. CIE Lab without a profile is that of the profile connection space: D50.
    """
    picture = image.convert("L") if image.mode == "1" else image
    try:
        if icc:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        else:
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        mode = _PROFILE_MODES.get(source.profile.xcolor_space.strip())
        if mode == "RGB" and picture.mode == "L":
            picture = picture.convert("RGB")
        if picture.mode == mode:
            return _applied(picture, source)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        pass
    if image.mode == "LAB":
        return _converted(image, None) if icc else Image.fromarray(np.asarray(image)[..., :1].repeat(3, axis=-1))
    return image.convert("RGB")


def _applied(picture: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    grey = picture.mode == "L"
    # Four inks on a finer grid take half a second, every time.
    precision = ImageCms.Flags.HIGHRESPRECALC if picture.mode in ("RGB", "LAB") else ImageCms.Flags.NONE
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        picture.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION | (ImageCms.Flags.NOOPTIMIZE if grey else precision),
    )
    if grey:  # LittleCMS optimises greys to a coarse table, off by 8 in the shadows, and is slow without
        ramp = ImageCms.applyTransform(Image.fromarray(np.arange(256, dtype=np.uint8)[None]), transform)
        return Image.fromarray(np.asarray(ramp)[0][np.asarray(picture)])
    if picture.mode == "RGB":
        sampled = np.asarray(ImageCms.applyTransform(Image.fromarray(_SAMPLES), transform), np.int16)
        if np.abs(sampled - _SAMPLES).max() <= _LIKE_SRGB:
            return picture  # exactly as it is
    converted = ImageCms.applyTransform(picture, transform)
    assert converted is not None
    return converted


def _to_bytes(grey: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale greys of more than 8 bits to 8."""
    if grey.dtype.kind == "u" and grey.dtype.itemsize == 2:
        return ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)
    values = np.nan_to_num(grey.astype(np.float64), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if grey.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif grey.dtype.kind == "i" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    return np.rint((values - low) * (255 / max(high - low, np.finfo(np.float64).tiny))).astype(np.uint8)
