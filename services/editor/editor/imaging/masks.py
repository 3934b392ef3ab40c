"""A mask: white is edited, black is kept, grey is in between.

Masks come as people's programs make them: of another size than the photo, as JPEG with its noise around the edges, or
as a drawing on a transparent ground.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageOps

from editor.models.base import Floats
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.media.images import ImageLimits, decode_image

_NOISE = 0.03
"""Below it a mask is black, as far above 1 − it white: a JPEG's black is not quite black."""
_LEAST = 1 / 512
"""A feathered edge ends where it could no longer move a pixel's value by a whole step in the middle of the range."""


@dataclass(frozen=True)
class Mask:
    values: Floats
    """As high and wide as the photo, 0 to 1."""
    note: str | None = None
    """What was done to make it fit."""


def read_mask(file: Upload, photo: tuple[int, int], limits: ImageLimits) -> Mask:
    """A mask file → a mask for a photo of that width and height.

    Of a picture with transparency, what is drawn counts: its brightness where it is opaque; where all of that is black
    (a black pen on a transparent ground), the drawing itself.

    Raises ProblemError: 413, 415 or 422 for a file that is no image that can be taken, 422 where nothing is white.
    """
    grey = _brightness(file, limits)
    grey = np.clip((grey - _NOISE) / (1 - 2 * _NOISE), 0, 1)
    height, width = grey.shape
    note = None
    if (width, height) != photo:
        grey = cv2.resize(grey, photo, interpolation=cv2.INTER_AREA if width > photo[0] else cv2.INTER_LINEAR)
        note = f"the mask, {width} × {height} pixels, was resized to the photo's {photo[0]} × {photo[1]}"
    if not grey.any():
        detail = (
            f"There is nothing to edit: the mask {file.filename} is black all over. Make white what is to change, "
            "or send no mask to let the whole photo change."
        )
        raise ProblemError(422, "nothing-to-edit", "Nothing to edit", detail)
    return Mask(np.ascontiguousarray(grey, np.float32), note)


def feather(mask: Floats, sigma: float) -> Floats:
    """A soft edge: the mask blurred with a Gaussian of that many pixels. Exactly 0 from about 3 sigma outside on."""
    if sigma < 0.1:
        return mask
    blurred = cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    blurred[blurred < _LEAST] = 0
    blurred[blurred > 1 - _LEAST] = 1
    return np.asarray(blurred, np.float32)


def encode_mask(mask: Floats) -> bytes:
    """PNG, 8-bit grey, white where the picture was to change."""
    _, encoded = cv2.imencode(".png", np.round(mask * 255).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return encoded.tobytes()


def _brightness(file: Upload, limits: ImageLimits) -> Floats:
    """H × W, 0 to 1."""
    picture = decode_image(file.content, limits, name=file.filename, media_type=file.media_type)
    try:
        with Image.open(io.BytesIO(file.content)) as image:
            drawing = ImageOps.exif_transpose(image).convert("RGBA") if image.has_transparency_data else None
    except Exception:  # an array, or metadata that cannot be read: the picture is whole
        drawing = None
    if drawing is None:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY) / np.float32(255), np.float32)
    alpha: Floats = np.asarray(drawing.getchannel("A"), np.float32) / np.float32(255)
    drawn: Floats = np.asarray(drawing.convert("L"), np.float32) / np.float32(255) * alpha
    return drawn if drawn.max() > _NOISE else alpha
