"""Stable Diffusion (Rombach et al., 2022; SDXL: Podell et al., 2023) and what was distilled from it.

Editing is SDEdit (Meng et al., 2022): the photo is noised as far as the strength says, and the noise taken away again
with the words in mind. With a mask the same model keeps the rest by putting the photo's own noised latents back after
every step; without a photo it draws one from the words.
"""

from __future__ import annotations

from typing import Any, ClassVar

from editor.models.base import ModelRequest
from editor.models.folders import Distillation
from editor.models.latent import Call, LatentDiffusion, as_image, as_mask
from framesense.schemas.edits import Task

_NOTES = {
    Distillation.NONE: None,
    Distillation.TURBO: "A Turbo model: made for 1 to 4 steps without guidance; more of either makes it worse.",
    Distillation.LCM: "A latent consistency model: made for 2 to 8 steps.",
}


class StableDiffusion(LatentDiffusion):
    """A model whose U-Net sees the noisy picture only."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.EDIT, Task.GENERATE})

    def _note(self) -> str | None:
        return _NOTES[self._components.folder.distillation]

    def _call(self, request: ModelRequest) -> Call:
        import diffusers

        kind: type
        xl, count = self._components.xl, len(request.seeds)
        size = {"width": request.width, "height": request.height}
        if request.photo is None:
            kind = diffusers.StableDiffusionXLPipeline if xl else diffusers.StableDiffusionPipeline
            return Call(kind, size, "text to image")
        given: dict[str, Any] = {"image": [as_image(request.photo)] * count, "strength": request.strength}
        if request.mask is None:
            kind = diffusers.StableDiffusionXLImg2ImgPipeline if xl else diffusers.StableDiffusionImg2ImgPipeline
            return Call(kind, given, "SDEdit")
        kind = diffusers.StableDiffusionXLInpaintPipeline if xl else diffusers.StableDiffusionInpaintPipeline
        return Call(kind, given | size | {"mask_image": as_mask(request.mask)}, "SDEdit within the mask")


class Refiner(StableDiffusion):
    """SDXL's refiner: made for the last steps, it polishes a picture and makes none."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.EDIT})
    note = "SDXL's refiner: made for the last steps of another model; it polishes at strengths up to 0.3."
