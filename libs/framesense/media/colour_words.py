"""The colours of a picture in plain words, for pictures of which nothing surer can be said."""

import numpy as np
from PIL import Image

SIDE = 32
"""Pixels of the copy that colours are counted on."""
DARK, BRIGHT, PALE = 50, 205, 45
"""Brightness (of 255) below which a pixel is dark and above which it is bright; saturation below which it is grey."""
MOSTLY = 0.5
"""Share of the pixels that makes a colour the picture's."""
HUES = (("red", 14), ("orange", 32), ("yellow", 48), ("green", 110), ("blue", 178), ("purple", 232), ("red", 256))
"""Names of hues, each with the first hue (of 256, as PIL counts them) that is no longer its own."""


def colour_words(picture: Image.Image) -> str:
    """Return the colours of a picture in words: "dark", "mostly green", "in many colours"."""
    small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    hue, saturation, value = (np.asarray(band, dtype=int) for band in small.convert("HSV").split())
    names = np.empty(hue.shape, dtype="U8")
    first = 0
    for name, end in HUES:
        names[(hue >= first) & (hue < end)] = name
        first = end
    names[saturation < PALE] = "grey"
    names[(saturation < PALE) & (value > BRIGHT)] = "white"
    names[value < DARK] = "dark"
    found, counts = np.unique(names, return_counts=True)
    if counts.max() < MOSTLY * names.size:
        return "in many colours"
    return f"mostly {found[counts.argmax()]}"
