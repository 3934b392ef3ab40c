"""How much lighter or darker a scene becomes, which an encoder's descriptors hardly tell. Pure numpy, no I/O."""

import numpy as np
from numpy.typing import NDArray

from framesense.novelty.curve import Floats

DARK = 4.0
"""Brightness (of 255) that is added to all, so that noise in the dark is no change."""
PAST = 1024
"""Frames before a frame that it is compared with."""


def light_changes(brightness: Floats, *, gap: int) -> NDArray[np.float64]:
    """Measure how unlike each picture's brightness is to all earlier ones, in doublings or halvings of it.

    ``brightness``: the mean of each of n pictures, 0 … 255. A picture is compared with the nearest brightness of those
    ``gap`` or more frames before it, the first ``gap`` with the first picture: a light that goes out is new until the
    dark is ``gap`` frames old, and daylight that fades over hours is not. Returns n values ≥ 0.
    """
    levels = np.log2(np.asarray(brightness, dtype=np.float64) + DARK)
    found = np.zeros(len(levels))
    for index in range(1, len(levels)):
        last = max(1, index - gap + 1)
        found[index] = np.abs(levels[max(0, last - PAST) : last] - levels[index]).min()
    return found
