"""InstructPix2Pix (Brooks et al., 2023): a model that was taught instructions, "make it night", on pairs of pictures.

It starts from noise and sees the photo through four more channels, so there is no strength in the sense of SDEdit. How
closely the photo is followed is a guidance of its own, and the strength asked for sets that: 1 + (1 − strength), from
1 (the least that the pipeline takes) to 2, and the authors' default of 1.5 at a strength of 0.5.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from editor.models.base import ModelRequest
from editor.models.latent import Call, LatentDiffusion, as_image
from framesense.media.images import RGB
from framesense.schemas.edits import Task


class InstructPix2Pix(LatentDiffusion):
    """A U-Net of eight channels: four noisy ones, four of the photo."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.EDIT})
    steps = 30
    note = "It takes instructions, such as 'make it night', rather than descriptions of the picture wanted."

    def _call(self, request: ModelRequest) -> Call:
        import diffusers

        assert request.photo is not None
        guidance = image_guidance(request.strength)
        given = {"image": [as_image(request.photo)] * len(request.seeds), "image_guidance_scale": guidance}
        method = f"InstructPix2Pix, image guidance {guidance:.2f}"
        notes = []
        if request.guidance_scale <= 1:
            notes.append("With a guidance scale of 1 or less, the strength has no effect on this model.")
        if self._components.xl:
            size = {"width": request.width, "height": request.height}
            return Call(diffusers.StableDiffusionXLInstructPix2PixPipeline, given | size, method, notes)
        return Call(diffusers.StableDiffusionInstructPix2PixPipeline, given, method, notes)

    def _extra_channels(self, photo: RGB) -> Tensor | None:
        return self._encode(photo)  # not scaled: so it was trained


def image_guidance(strength: float) -> float:
    """Return the image guidance for a strength: from 2 (strength 0, close to the photo) to 1 (strength 1)."""
    return 2 - strength
