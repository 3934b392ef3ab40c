"""Read mask files: white may change, black is kept, grey is in between.

Masks come as people's programs make them: as JPEG with its noise around the edges, or as a drawing on a transparent
ground.
"""

import io

import numpy as np
from PIL import Image, ImageOps

from framesense.edits.rules import Floats, mask_weights
from framesense.http.uploads import Upload
from framesense.media.images import ImageLimits, decode_image


def read_mask(file: Upload, limits: ImageLimits) -> Floats:
    """Return a mask's weights as :func:`framesense.edits.rules.mask_weights` does, H × W as the file has them.

    Raises ProblemError: 413, 415 or 422 for a file that is no image that can be taken.
    """
    picture = decode_image(file.content, limits, name=file.filename, media_type=file.media_type)
    try:
        with Image.open(io.BytesIO(file.content)) as image:
            drawing = ImageOps.exif_transpose(image).convert("RGBA") if image.has_transparency_data else None
    except Exception:  # an array, or metadata that cannot be read: the picture is whole
        drawing = None
    if drawing is None:
        return mask_weights(_unit(Image.fromarray(picture).convert("L")))
    return mask_weights(_unit(drawing.convert("L")), _unit(drawing.getchannel("A")))


def _unit(channel: Image.Image) -> Floats:
    return np.asarray(channel, np.float32) / np.float32(255)
