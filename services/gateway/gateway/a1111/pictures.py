"""Pictures in JSON: base64, with or without ``data:image/png;base64,`` before it."""

import base64
import binascii
import io
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from framesense.edits.rules import Floats
from framesense.http.problems import ProblemError
from framesense.media.images import RGB, ImageLimits, decode_image

Mask = NDArray[np.uint8]
"""H × W, 255 where the photo is to change."""

_DATA_URI = re.compile(r"data:[\w/+.-]*(?:;[\w=.-]+)*;base64,", re.IGNORECASE)
PNG_LEVEL = 1
"""Of zlib: what is written here is read once, by the next service or by the client."""


def picture_bytes(text: str, limits: ImageLimits, *, name: str) -> bytes:
    """Decode the file that the text holds.

    Raises ProblemError: 413 too large, 422 no base64, or an address to fetch from: nothing is fetched here.
    """
    if text[:8].lower().startswith(("http://", "https://")):
        detail = f"{name} is an address. Nothing is fetched from elsewhere: send the picture itself in base64."
        raise ProblemError(422, "not-base64", "Not base64", detail)
    header = _DATA_URI.match(text[:200])
    encoded = text[header.end() if header else 0 :]
    # Four letters hold three bytes; some clients break the lines.
    if len(encoded) > limits.max_bytes // 3 * 4 * 1.03 + 8:
        detail = f"{name} has more than {limits.max_bytes:,} bytes, the most that are taken. Send a smaller copy."
        raise ProblemError(413, "image-too-large", "Image too large", detail)
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        detail = f"{name} is no base64 of an image file ({error}). Send the whole file, encoded, as text."
        raise ProblemError(422, "not-base64", "Not base64", detail) from error


def read_picture(text: str, limits: ImageLimits, *, name: str) -> RGB:
    """Decode a picture sent as text.

    Raises ProblemError like :func:`picture_bytes` and :func:`framesense.media.images.decode_image`.
    """
    return decode_image(picture_bytes(text, limits, name=name), limits, name=name)


def read_mask(text: str, limits: ImageLimits, *, invert: bool = False) -> Mask:
    """Read a mask: white is 255, also where the mask is drawn by transparency alone. ``invert``: black is.

    Raises ProblemError like :func:`read_picture`.
    """
    content = picture_bytes(text, limits, name="mask")
    grey = np.asarray(Image.fromarray(decode_image(content, limits, name="mask")).convert("L"))
    alpha = _alpha(content)
    if alpha is not None and alpha.shape == grey.shape:
        grey = alpha
    return np.ascontiguousarray(255 - grey if invert else grey)


def _alpha(content: bytes) -> Mask | None:
    """Return the transparency of a picture that has any: what is opaque was painted.

    None for one that is opaque throughout.

    For files that decode_image has taken: their size is within the limits.
    """
    with Image.open(io.BytesIO(content)) as image:
        if not image.has_transparency_data:
            return None
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return alpha if alpha.min() < 255 else None


def unit(mask: Mask) -> Floats:
    """Bring a mask from 0 … 255 to 0 … 1."""
    return mask.astype(np.float32) / np.float32(255)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode pixels, H × W × 3 or H × W, as PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=PNG_LEVEL)
    return stream.getvalue()


def base64_text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def resized(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Stretch a picture, H × W × 3, or a mask, whose black stays black, to a size."""
    if pixels.shape[:2] == (height, width):
        return pixels
    method = Image.Resampling.LANCZOS if pixels.ndim == 3 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(pixels).resize((width, height), method))
