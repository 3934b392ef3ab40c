"""A folder's components, loaded: safetensors only, in one precision, on the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from editor.models.folders import INDEX_FILE, NOT_LOADED, Architecture, PipelineFolder, Role, read_component, read_json
from editor.models.latent import PipelineComponents
from framesense.models.torch_compat import prepare_torchvision

_OURS = {"requires_safety_checker": False, "add_watermarker": False}


def load_components(folder: PipelineFolder, device: torch.device, dtype: torch.dtype) -> PipelineComponents:
    """Load every component but a safety checker.

    Raises ValueError where diffusers or transformers cannot make a model of what is there.
    """
    prepare_torchvision()
    import diffusers

    xl = folder.architecture is Architecture.STABLE_DIFFUSION_XL
    kind: Any = diffusers.StableDiffusionXLImg2ImgPipeline if xl else diffusers.StableDiffusionImg2ImgPipeline
    own: dict[str, Any] = {"image_encoder": None, "safety_checker": None, "requires_safety_checker": False}
    if xl:
        own = {"image_encoder": None, "add_watermarker": False}
    elif folder.role is Role.UPSCALER:
        kind, own = diffusers.StableDiffusionUpscalePipeline, {"safety_checker": None, "watermarker": None}
    index = read_json(folder.path / INDEX_FILE)
    simple = {name: value for name, value in index.items() if not name.startswith("_") and not isinstance(value, list)}
    try:
        pipeline = kind.from_pretrained(
            folder.path,
            dtype=dtype,
            variant=folder.variant,
            use_safetensors=True,
            local_files_only=True,
            feature_extractor=None,
            **own,
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"the pipeline in {folder.path} cannot be loaded: {_first_lines(error)}") from error
    parts = {name: part for name, part in pipeline.components.items() if name not in NOT_LOADED}
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False).to(device)
    if dtype is not torch.float16:  # what overflows in float16 only need not be moved to float32 and back every time
        parts["vae"].register_to_config(force_upcast=False)
    return PipelineComponents(parts, simple | _OURS, folder, device, dtype)


def load_controlnet(folder: Path, device: torch.device, dtype: torch.dtype) -> tuple[Any, tuple[Path, ...]]:
    """Load a ControlNet; return it with its files of weights.

    Raises FileNotFoundError or ValueError where there is none in the folder, or not all of it.
    """
    import diffusers

    variant, weights = read_component(folder, "ControlNetModel", "ControlNet")
    kind: Any = diffusers.ControlNetModel
    controlnet = kind.from_pretrained(
        folder, torch_dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True
    )
    return controlnet.eval().requires_grad_(False).to(device), tuple(weights)


def _first_lines(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).splitlines()[:3])
