"""Visual features for novelty, besides the caption, from stages that an image encoder passes anyway: one visual
embedding for the whole of it, and one descriptor for each place of a grid.

docs/novelty.md has the measurements that chose the stages.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

PATCH_DIMENSIONS = 64
"""Numbers a patch; distances among 168-d descriptors survive a random projection to so few within a few per cent."""


def visual_embedding(stages: Sequence[Tensor]) -> Tensor:
    """Average each stage (B×C×H×W) over the picture, L2-normalise it, and put them next to one another: B × ΣC."""
    return torch.cat([torch.nn.functional.normalize(stage.float().mean((2, 3)), dim=1) for stage in stages], dim=1)


def patch_descriptors(stages: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
    """Describe each place of a grid by stages, B×C×H×W each → B × rows × columns × PATCH_DIMENSIONS.

    Each stage is averaged onto the grid and L2-normalised at each place, as middle layers of one network differ in
    scale; then a fixed random matrix takes them to fewer dimensions, keeping distances (Johnson & Lindenstrauss,
    1984): two unrelated patches are about √(2 · stages) apart.
    """
    normalised = [
        torch.nn.functional.normalize(torch.nn.functional.adaptive_avg_pool2d(stage.float(), grid), dim=1)
        for stage in stages
    ]
    descriptors = torch.cat(normalised, dim=1).permute(0, 2, 3, 1)
    return descriptors @ _projection(descriptors.shape[-1]).to(descriptors.device)


@lru_cache
def _projection(channels: int) -> Tensor:
    # RandomState: its stream never changes, so descriptors stored today can be compared with tomorrow's.
    matrix = np.random.RandomState(0).standard_normal((channels, PATCH_DIMENSIONS)) / np.sqrt(PATCH_DIMENSIONS)
    return torch.from_numpy(matrix.astype(np.float32))
