"""ControlNet (Zhang et al., 2023): a second network holds the picture to the photo's edges or depths while it changes.

With it even a strength of 1 keeps where things are, so that light and material can change entirely.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from editor.models.base import ModelRequest
from editor.models.controls import Control
from editor.models.inpainting import Inpainting
from editor.models.latent import Call, PipelineComponents, as_image
from editor.models.stable_diffusion import StableDiffusion

SCALE = 1.0
"""Of the ControlNet's part, as in its training."""


class _Controlled(StableDiffusion):
    """The same calls, each by the pipeline that also takes a ControlNet.

    Nothing to hold on to, nothing held: what is made from words alone is made without it.
    """

    def __init__(
        self, components: PipelineComponents, control: Control, *, batch: int = 1, multiple_of: int | None = None
    ) -> None:
        self._control = control
        super().__init__(components, batch=batch, multiple_of=multiple_of)

    def _call(self, request: ModelRequest) -> Call:
        call = super()._call(request)
        if request.photo is None:
            return call
        arguments: dict[str, Any] = {
            **call.arguments,
            "width": request.width,
            "height": request.height,
            "control_image": [as_image(self._control(request.photo))] * len(request.seeds),
            "controlnet_conditioning_scale": SCALE,
        }
        method = f"{call.method}, held by ControlNet ({self._control.kind})"
        return replace(call, pipeline=_with_controlnet()[call.pipeline], arguments=arguments, method=method)


class ControlledStableDiffusion(_Controlled):
    """A plain model and a ControlNet."""


class ControlledInpainting(_Controlled, Inpainting):
    """An inpainting model and a ControlNet."""


def check_fit(controlnet: Any, unet: Any) -> None:
    """Raise ValueError where a ControlNet was made for another base model."""
    for name in ("cross_attention_dim", "block_out_channels"):
        ours, theirs = getattr(controlnet.config, name), getattr(unet.config, name)
        if _plain(ours) != _plain(theirs):
            raise ValueError(
                f"this ControlNet was made for another base model ({name} is {ours}, EDITOR_MODEL's is {theirs}): "
                "one for Stable Diffusion 1.5 fits 1.x models only, one for 2.1 fits 2.x, one for SDXL fits SDXL"
            )


def _plain(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _with_controlnet() -> Mapping[type, type]:
    import diffusers

    return {
        diffusers.StableDiffusionImg2ImgPipeline: diffusers.StableDiffusionControlNetImg2ImgPipeline,
        diffusers.StableDiffusionInpaintPipeline: diffusers.StableDiffusionControlNetInpaintPipeline,
        diffusers.StableDiffusionXLImg2ImgPipeline: diffusers.StableDiffusionXLControlNetImg2ImgPipeline,
        diffusers.StableDiffusionXLInpaintPipeline: diffusers.StableDiffusionXLControlNetInpaintPipeline,
    }
