"""What the embedded captioners tell of a picture besides its caption, all of it from the one pass of EfficientNet-Lite2
that the caption needs anyway.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from captioner.models.views import patch_descriptors, visual_embedding
from framesense.models.encoders.efficientnet_lite2 import GRID, Encoded, encode_stages

FINE, MIDDLE, COARSE = 2, 4, 6
"""The encoder's stages at strides 8, 16 and 32, with 48, 120 and 352 channels."""


def visual_and_patches(encoded: Encoded) -> tuple[Tensor, Tensor]:
    """Return the visual embeddings, B×472 (strides 16 and 32), and the patch descriptors, B×17×17×64 (strides 8 and
    16), float32.
    """
    fine, middle, coarse = (encoded.stages[stage] for stage in (FINE, MIDDLE, COARSE))
    return visual_embedding([middle, coarse]), patch_descriptors([fine, middle], (middle.shape[2], middle.shape[3]))


def encode_with_views(encoder: nn.Module, pixels: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Encode B pictures: the grid, B×81×1280, and what :func:`visual_and_patches` gives."""
    encoded = encode_stages(encoder, pixels, dtype)
    return encoded.grid, *visual_and_patches(encoded)


def views_of(encoded: Encoded, *, features: bool, views: bool, pooled: bool) -> list[dict[str, NDArray[np.float32]]]:
    """Return what is wanted of each of B pictures, by the names of :class:`captioner.models.base.GeneratedCaption`.

    ``features``: 9×9×1280; ``views``: ``visual`` and ``patches``; ``pooled``: 2992 numbers.
    """
    found: dict[str, Tensor] = {}
    if features:
        found["features"] = encoded.grid.float().unflatten(1, (GRID, GRID))
    if views:
        found["visual"], found["patches"] = visual_and_patches(encoded)
    if pooled:
        found["pooled"] = encoded.pooled()
    arrays = {name: tensor.cpu().numpy() for name, tensor in found.items()}
    return [{name: array[row] for name, array in arrays.items()} for row in range(len(encoded.last))]
