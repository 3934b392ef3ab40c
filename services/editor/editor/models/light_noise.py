"""Noise that hides the light of a picture as early as its detail.

White noise hides fine detail first. The mean brightness of a picture of 3 × 32 × 32 values is still told to 2 % when
nothing else can be made out: a model that takes white noise away learns to keep the light, whatever the words say, and
SDEdit (:mod:`editor.models.embedded`) could hardly change it. So the noise has more of what light is made of: of one
brightness for the whole picture ("offset noise"; Guttenberg, 2023), of one colour, of a ramp from top to bottom.

The noise is n = S ε, with white ε and S = I + Σ (σ − 1) q qᵀ over a few orthonormal pictures q. Seen through S⁻¹, it is
white again: schedulers work there and need not know.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F


class LightNoise:
    """Maps white noise to the model's noise and back, for pictures of 3 × side × side folded by ``patch``."""

    def __init__(self, side: int, patch: int, amplitudes: Mapping[str, float]) -> None:
        """Prepare the noise of pictures of ``side`` pixels.

        ``amplitudes``: what is added to white noise of deviation 1, as deviations of a pixel's channel: of
        ``brightness`` and ``ramp``, alike in all channels, and of ``colour``, along two directions without brightness.
        """
        channels = {
            "brightness": torch.tensor([[1.0, 1.0, 1.0]]),
            "ramp": torch.tensor([[1.0, 1.0, 1.0]]),
            "colour": torch.tensor([[1.0, 0.0, -1.0], [1.0, -2.0, 1.0]]),
        }
        down = torch.linspace(-1, 1, side).view(1, 1, side, 1).expand(1, 1, side, side)
        pictures, gains = [], []
        for name, directions in channels.items():
            field = down if name == "ramp" else torch.ones(1, 1, side, side)
            for direction in directions:
                picture = direction.view(1, 3, 1, 1) * field
                pictures.append(F.pixel_unshuffle(picture / picture.norm(), patch).flatten())
                # a picture of N values of deviation a is a·√N times a picture of length 1
                gains.append((1 + (amplitudes[name] ** 2) * 3 * side * side) ** 0.5)
        self._pictures, self._gains = torch.stack(pictures), torch.tensor(gains)

    def colour(self, white: Tensor) -> Tensor:
        """Turn B×C×h×w white noise, or a picture as schedulers see it, into the model's noise, or the picture."""
        return self._scale(white, self._gains)

    def whiten(self, coloured: Tensor) -> Tensor:
        """Turn coloured noise, or a picture, back: the inverse of :meth:`colour`."""
        return self._scale(coloured, 1 / self._gains)

    def _scale(self, values: Tensor, gains: Tensor) -> Tensor:
        pictures = self._pictures.to(values.device, values.dtype)
        shares = values.flatten(1) @ pictures.T
        return values + ((shares * (gains.to(values.device, values.dtype) - 1)) @ pictures).view_as(values)
