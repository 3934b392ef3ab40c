"""Keep the rest of a photo as it was: find where the words apply (DiffEdit), and put the photo's own pixels everywhere
else.

Couairon, Verbeek, Schwenk and Cord, DiffEdit: Diffusion-based semantic image editing with mask guidance, 2022: noise a
photo half-way, let the model predict the noise once with the words and once without them, and average how far the two
are apart over several noises. The parts of the photo that the words would change stand out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from editor.imaging.masks import feather
from editor.models.base import Floats
from framesense.media.images import RGB

OUTLIERS, THRESHOLD = 3.0, 0.5
"""As in the paper's code and in diffusers: differences are clipped at three times their mean, scaled to [0, 1] and cut
at one half, that is, at one and a half times their mean."""
SMOOTHING = 1 / 48
"""Sigma of the Gaussian that takes the noise out of the differences, as a share of the map's longer side."""
EVEN, FEW = 2.0, 0.01
"""Differences whose greatest is no more than so many times their mean, with hardly any over the threshold, are alike
everywhere: the words ("at night") are about the whole photo. The paper's threshold alone would pick a few specks."""


@dataclass(frozen=True)
class Region:
    """Where a picture is to change."""

    weights: Floats
    """Height × width, 0 (the photo's own pixel) to 1 (the edit's)."""
    note: str | None = None


def region_of_words(relevance: Floats, width: int, height: int, sigma: float) -> Region:
    """Turn the model's raw differences, of any size and unit, into a feathered region of ``width`` × ``height``.

    Where they are alike everywhere, so is the region; where there are none, it is empty. The note says so.
    """
    differences = np.nan_to_num(relevance.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    smooth = cv2.GaussianBlur(differences, (0, 0), max(0.5, SMOOTHING * max(differences.shape)))
    limit = OUTLIERS * float(smooth.mean())
    if limit <= 0:
        nowhere = "the words apply nowhere in this photo, as far as the model can tell: nothing was changed"
        return Region(np.zeros((height, width), np.float32), nowhere)
    scaled = np.minimum(smooth, limit) / limit
    if (scaled > THRESHOLD).mean() <= FEW and float(smooth.max()) <= EVEN * float(smooth.mean()):
        everywhere = (
            "the words apply about equally everywhere, as far as the model can tell: nothing was kept as it was"
        )
        return Region(np.ones((height, width), np.float32), everywhere)
    large = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_CUBIC)
    return Region(feather((large > THRESHOLD).astype(np.float32), sigma))


def keep(photo: RGB, edited: RGB, weights: Floats) -> RGB:
    """Mix two pictures: ``edited`` where the weights are 1, ``photo`` byte for byte where they are 0.

    All three of one height and width. Works in strips, as floats of a large photo are large.
    """
    result = photo.copy()
    for top in range(0, len(photo), 256):
        rows = slice(top, top + 256)
        share = weights[rows, :, None]
        if share.any():
            before = photo[rows].astype(np.float32)
            result[rows] = np.round(before + share * (edited[rows] - before)).astype(np.uint8)
    return result
