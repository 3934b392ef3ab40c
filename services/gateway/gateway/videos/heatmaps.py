"""Patch distances as a picture."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOST_OPAQUE = 0.75


def heat_map_png(
    distances: NDArray[np.floating], curve: NDArray[np.floating], thumbnail: bytes, *, overlay: bool
) -> bytes:
    """Paint the odd places of a frame red, as a PNG of the thumbnail's size.

    ``distances``: rows × columns of one frame; ``curve``: the whole video's patch scores, which set the scale: what
    half of the frames reach is familiar and clear, what the oddest frame reaches is red.
    """
    familiar, oddest = float(np.median(curve)), float(np.max(curve, initial=0))
    span = max(oddest - familiar, 1e-6)
    heat = np.clip((np.asarray(distances, dtype=np.float64) - familiar) / span, 0, 1)
    picture = Image.open(io.BytesIO(thumbnail)).convert("RGBA")
    smooth = Image.fromarray((255 * heat).astype(np.uint8), "L").resize(picture.size, Image.Resampling.BICUBIC)
    warmth = np.asarray(smooth, dtype=np.float64) / 255
    layer = np.zeros((*warmth.shape, 4), dtype=np.uint8)
    layer[..., 0] = 255
    layer[..., 1] = (200 * (1 - warmth)).astype(np.uint8)  # yellow where a little odd, red where very
    layer[..., 3] = (255 * MOST_OPAQUE * warmth).astype(np.uint8)
    drawn = Image.fromarray(layer, "RGBA")
    buffer = io.BytesIO()
    (Image.alpha_composite(picture, drawn) if overlay else drawn).save(buffer, "PNG", optimize=False)
    return buffer.getvalue()
