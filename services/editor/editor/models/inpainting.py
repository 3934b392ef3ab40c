"""Inpainting models: Stable Diffusion whose U-Net also sees the mask and the photo without what is under it.

They fill a hole so that it fits its surroundings, better than a plain model under a mask. Without a mask, all of the
photo is the hole, and only the strength keeps anything of it.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from editor.models.base import ModelRequest
from editor.models.latent import Call, as_image, as_mask
from editor.models.stable_diffusion import StableDiffusion
from framesense.media.images import RGB
from framesense.schemas.edits import Task


class Inpainting(StableDiffusion):
    """A U-Net of nine channels: four noisy ones, the mask, four of the photo without what is under it."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.EDIT})
    needs_mask = True
    note = "An inpainting model: at its best with a mask over what is to change."

    def _note(self) -> str | None:
        return self.note

    def _call(self, request: ModelRequest) -> Call:
        import diffusers

        assert request.photo is not None
        xl, count = self._components.xl, len(request.seeds)
        mask = request.mask if request.mask is not None else np.ones((request.height, request.width), np.float32)
        kind = diffusers.StableDiffusionXLInpaintPipeline if xl else diffusers.StableDiffusionInpaintPipeline
        given = {
            "image": [as_image(request.photo)] * count,
            "mask_image": as_mask(mask),
            "strength": request.strength,
            "width": request.width,
            "height": request.height,
        }
        return Call(kind, given, "inpainting")

    def _extra_channels(self, photo: RGB) -> Tensor | None:
        """Return the channels of a mask that is white all over: nothing of the photo is left."""
        nothing = np.full_like(photo, 128)
        latents = self._encode(nothing) * self._components.parts["vae"].config.scaling_factor
        return torch.cat([torch.ones_like(latents[:, :1]), latents], dim=1)
