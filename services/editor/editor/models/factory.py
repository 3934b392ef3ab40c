"""From the name of a model to a loaded model; its folder tells which family it is of (:mod:`editor.models.folders`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from editor.models.base import LoadedModel
from editor.models.controlnet import ControlledInpainting, ControlledStableDiffusion, check_fit
from editor.models.controls import Canny, Control, ControlKind, Depth
from editor.models.embedded import CONFIG_FILE, PixelDiffusionEditor
from editor.models.folders import PipelineFolder, Role, read_folder, revision_of
from editor.models.hardware import lay_out
from editor.models.hub import component_folder, pipeline_folder
from editor.models.inpainting import Inpainting
from editor.models.instruct_pix2pix import InstructPix2Pix
from editor.models.latent import LatentDiffusion, PipelineComponents
from editor.models.loading import load_components, load_controlnet
from editor.models.schedulers import suitable_schedulers
from editor.models.stable_diffusion import Refiner, StableDiffusion
from editor.models.upscaler import Upscaler
from editor.settings import EditorSettings
from framesense.models.spec import ModelSource, ModelSpec, choose_device, choose_dtype
from framesense.schemas.models import ModelInfo

EMBEDDED_FOLDER = "editor-pixel-diffusion"
COMPILED_MULTIPLE = 64
"""Sizes are multiples of it where networks are compiled: fewer sizes to compile for."""


def load_model(settings: EditorSettings) -> LoadedModel:
    """Load what the settings name.

    Raises ValueError or OSError, in words a person can act on, where it cannot be had or does not fit.
    """
    spec = settings.model_spec
    require_editor(spec)
    device = choose_device(settings.editor_device)
    if spec.source is ModelSource.EMBEDDED:
        return _embedded(settings, settings.models_dir / EMBEDDED_FOLDER, device)
    if spec.source is ModelSource.PATH and (spec.path / CONFIG_FILE).exists():
        return _embedded(settings, spec.path, device)
    return _latent(settings, device, _latent_dtype(settings, device))


def require_editor(spec: ModelSpec) -> None:
    """Raise ValueError for a name that can be no editing model's."""
    if spec.source is ModelSource.OPEN_CLIP:
        raise ValueError(f"{spec} edits no pictures; the editor takes 'embedded', 'hf:ORG/NAME' or 'path:DIR'")


def _embedded(settings: EditorSettings, folder: Path, device: torch.device) -> LoadedModel:
    if settings.editor_controlnet:
        raise ValueError("EDITOR_CONTROLNET goes with a Stable Diffusion model in EDITOR_MODEL, not the embedded one")
    dtype = choose_dtype(settings.editor_dtype, device)
    model = PixelDiffusionEditor.load(folder, device, dtype)
    family, revision = PixelDiffusionEditor.family, model.revision
    return LoadedModel(model, _info(settings, family, revision, device, dtype, model.parameters, model.abilities.note))


def _latent(settings: EditorSettings, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    folder = read_folder(pipeline_folder(settings.model_spec, dtype))
    suitable_schedulers(folder.scheduler, folder.distillation)  # refused before gigabytes are loaded
    components = load_components(folder, device, dtype)
    control, family, weights = None, folder.family, folder.weights
    if spec := settings.controlnet_spec:
        control, components, more = _with_controlnet(settings, spec, components)
        family, weights = f"{family}-controlnet-{control.kind}", (*weights, *more)
    lay_out(components.parts, device, low_memory=settings.editor_low_memory, compiled=settings.editor_compile)
    multiple_of = COMPILED_MULTIPLE if settings.editor_compile else None
    model = _family(folder, components, control, settings.editor_batch, multiple_of)
    revision = _hub_commit(settings.model_spec, folder) or revision_of(weights)
    info = _info(settings, family, revision, device, dtype, components.parameters, model.abilities.note)
    return LoadedModel(model, info)


def _family(
    folder: PipelineFolder, components: PipelineComponents, control: Control | None, batch: int, multiple_of: int | None
) -> LatentDiffusion:
    if control is not None:
        kind = ControlledInpainting if folder.role is Role.INPAINTING else ControlledStableDiffusion
        return kind(components, control, batch=batch, multiple_of=multiple_of)
    if folder.role is Role.PLAIN and folder.aesthetics:
        return Refiner(components, batch=batch, multiple_of=multiple_of)
    by_role: dict[Role, Callable[..., LatentDiffusion]] = {
        Role.PLAIN: StableDiffusion,
        Role.INSTRUCT: InstructPix2Pix,
        Role.INPAINTING: Inpainting,
        Role.UPSCALER: Upscaler,
    }
    return by_role[folder.role](components, batch=batch, multiple_of=multiple_of)


def _with_controlnet(
    settings: EditorSettings, spec: ModelSpec, components: PipelineComponents
) -> tuple[Control, PipelineComponents, tuple[Path, ...]]:
    without = {Role.INSTRUCT: "an InstructPix2Pix model", Role.UPSCALER: "an upscaler"}
    if (what := without.get(components.folder.role)) or components.folder.aesthetics:
        raise ValueError(f"{what or 'the refiner of SDXL'} takes no ControlNet: leave EDITOR_CONTROLNET empty")
    folder = component_folder(spec, "EDITOR_CONTROLNET")
    control = _control(settings, spec, components.device, components.dtype)
    controlnet, weights = load_controlnet(folder, components.device, components.dtype)
    check_fit(controlnet, components.parts["unet"])
    parts = {**components.parts, "controlnet": controlnet}
    return control, replace(components, parts=parts), weights


def _control(settings: EditorSettings, spec: ModelSpec, device: torch.device, dtype: torch.dtype) -> Control:
    """Choose the image that the ControlNet is shown: by the settings, else by its name."""
    if settings.editor_control != "auto":
        kind = ControlKind(settings.editor_control)
    else:
        named = [known for known in ControlKind if known in spec.name.rstrip("/").rsplit("/")[-1].lower()]
        if len(named) != 1:
            raise ValueError(f"{spec} does not tell what the ControlNet is for: set EDITOR_CONTROL to canny or depth")
        kind = named[0]
    if kind is ControlKind.CANNY:
        return Canny()
    if (estimator := settings.depth_spec) is None:
        raise ValueError(
            "a depth ControlNet needs an estimate of the photo's depth: set EDITOR_DEPTH to a depth estimator, such as "
            "hf:depth-anything/Depth-Anything-V2-Small-hf"
        )
    return Depth.load(component_folder(estimator, "EDITOR_DEPTH"), device, dtype)


def _latent_dtype(settings: EditorSettings, device: torch.device) -> torch.dtype:
    """Choose the type of latents: on a GPU without bfloat16, float16.

    There, float32 takes twice the memory and several times as long.
    """
    dtype = choose_dtype(settings.editor_dtype, device)
    if settings.editor_dtype == "auto" and device.type == "cuda" and dtype is torch.float32:
        return torch.float16
    return dtype


def _hub_commit(spec: ModelSpec, folder: PipelineFolder) -> str | None:
    """Return a hub model's commit: the hub keeps a snapshot in a folder of its commit's name."""
    return folder.path.name[:12] if spec.source is ModelSource.HUGGING_FACE else None


def _info(
    settings: EditorSettings,
    family: str,
    revision: str,
    device: torch.device,
    dtype: torch.dtype,
    parameters: int,
    note: str | None,
) -> ModelInfo:
    return ModelInfo(
        service="editor",
        name=settings.editor_model,
        family=family,
        revision=revision,
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        parameters=parameters,
        note=note,
    )
