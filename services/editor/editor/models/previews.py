"""Latents as a small picture, without the decoder: a linear map, which is nearly true of Stable Diffusion's latents.

Each latent pixel stands for a patch of 8 × 8 pixels, and its channels follow the patch's colour almost linearly. The
map is fitted by least squares on a chart that the model's own encoder looks at once, so it holds for any autoencoder,
at some thousandth of a decode's cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from framesense.media.images import RGB

_CHART = 32
"""Latent pixels along the chart's side."""


class LatentPreview:
    """Maps latents of C channels to RGB: the C channels and a constant, times a (C + 1) × 3 matrix."""

    def __init__(self, matrix: NDArray[np.float32]) -> None:
        self._matrix = torch.from_numpy(matrix)

    @classmethod
    @torch.no_grad()
    def fit(cls, vae: Any, patch: int) -> LatentPreview:
        """Fit a preview to an autoencoder whose latent pixels are ``patch`` pixels wide and high.

        The chart has patches of every colour, some flat, some running into their neighbours.
        """
        colours = torch.rand(1, 3, _CHART // 4, _CHART // 4, generator=torch.Generator().manual_seed(0))
        flat = interpolate(colours, size=(_CHART * patch, _CHART * patch), mode="nearest")
        smooth = interpolate(colours, size=(_CHART * patch, _CHART * patch), mode="bilinear", align_corners=False)
        chart = torch.cat([flat, smooth])
        parameter = next(vae.parameters())
        pixels = (2 * chart - 1).to(parameter.device, parameter.dtype)
        latents = torch.cat([vae.encode(one[None]).latent_dist.mode() for one in pixels]) * vae.config.scaling_factor
        seen = _columns(latents.float().cpu())
        wanted = avg_pool2d(chart, patch).permute(0, 2, 3, 1).reshape(-1, 3)
        matrix = np.linalg.lstsq(seen.reshape(-1, seen.shape[-1]).numpy(), wanted.numpy(), rcond=None)[0]
        return cls(matrix.astype(np.float32))

    def __call__(self, latents: Tensor) -> Sequence[RGB]:
        """Turn N × C × h × w latents, as the pipeline holds them, into N pictures of h × w pixels."""
        rgb = (_columns(latents.float().cpu()) @ self._matrix).nan_to_num().clamp(0, 1)
        return list((255 * rgb).round().to(torch.uint8).numpy())


def _columns(latents: Tensor) -> Tensor:
    """Append a 1 to the channels of each latent pixel: N × C × h × w → N × h × w × (C + 1)."""
    moved = latents.permute(0, 2, 3, 1)
    return torch.cat([moved, torch.ones_like(moved[..., :1])], dim=-1)
