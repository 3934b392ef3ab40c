"""From the name of a model to a loaded model. A new family is one file here and one branch in :func:`load_model`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from framesense.models.encoders.efficientnet_lite2 import encoder_name
from framesense.models.openclip import CONFIG_FILE as OPEN_CLIP_CONFIG_FILE
from framesense.models.openclip import OpenClipFiles, is_folder_of_open_clip
from framesense.models.pretrained import Pretrained
from framesense.models.spec import ModelSource, ModelSpec, choose_device, choose_dtype
from framesense.schemas.models import ModelInfo
from tagger.models.base import LoadedModel
from tagger.models.embedded import CONFIG_FILE, EmbeddedDualEncoder
from tagger.models.openclip import OpenClip
from tagger.models.transformers_dual import TransformersDual
from tagger.settings import TaggerSettings
from tagger.tags.calibration import (
    BACKGROUND_FILE,
    NEUTRAL_PROMPTS,
    BackgroundCalibration,
    Calibration,
    NeutralCalibration,
    SigmoidCalibration,
)

EMBEDDED_FOLDER = "tagger-dual-encoder"
EMBEDDED_NOTE = (
    "A small model trained on 6,000 everyday photos and the names of ImageNet's 1,000 classes: it knows everyday "
    "scenes and things, few proper names, and no drawings to speak of."
)


def load_model(settings: TaggerSettings) -> LoadedModel:
    """Load the model that the settings name.

    Raises ValueError or OSError, in words a person can act on, where it cannot be had or does not fit.
    """
    spec = settings.model_spec
    device = choose_device(settings.tagger_device)
    dtype = choose_dtype(settings.tagger_dtype, device)
    if spec.source is ModelSource.EMBEDDED:
        return _embedded(spec, settings.models_dir / EMBEDDED_FOLDER, device, dtype)
    if spec.source is ModelSource.HUGGING_FACE:
        return _transformers(spec, Pretrained(spec.name, spec.revision), device, dtype)
    if spec.source is ModelSource.PATH and (spec.path / CONFIG_FILE).exists():
        place = Pretrained(str(spec.path.absolute()))
        if place.config().get("model") == EmbeddedDualEncoder.family:
            return _embedded(spec, spec.path, device, dtype)
        if not is_folder_of_open_clip(spec.path):
            return _transformers(spec, place, device, dtype)
    return _open_clip(spec, device, dtype)


def _transformers(spec: ModelSpec, place: Pretrained, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    model = TransformersDual.load(place, device, dtype)
    info = _describe(spec, model.family, model.revision, model.parameters, device, dtype, None)
    return LoadedModel(model, _trained_calibration(model, spec), info)


def _embedded(spec: ModelSpec, folder: Path, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    model = EmbeddedDualEncoder.load(folder, device, dtype)
    note = EMBEDDED_NOTE if spec.source is ModelSource.EMBEDDED else None
    info = _describe(spec, EmbeddedDualEncoder.family, model.revision, model.parameters, device, dtype, note)
    info = info.model_copy(update={"encoder": encoder_name(model.image_size)})
    return LoadedModel(model, BackgroundCalibration.load(folder), info)


def _open_clip(spec: ModelSpec, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    if spec.source is ModelSource.PATH and not is_folder_of_open_clip(spec.path):
        raise FileNotFoundError(
            f"there is no dual encoder in {spec.path}: it has neither {CONFIG_FILE} nor {OPEN_CLIP_CONFIG_FILE}"
        )
    model = OpenClip.load(OpenClipFiles.of(spec), device, dtype)
    info = _describe(spec, "open-clip", model.revision, model.parameters, device, dtype, None)
    return LoadedModel(model, _trained_calibration(model, spec), info)


def _trained_calibration(model: OpenClip | TransformersDual, spec: ModelSpec) -> Calibration:
    """Choose a calibration: a background measured for this folder, SigLIP's own sigmoid, or contrast with neutral
    prompts.
    """
    if spec.source is ModelSource.PATH and (spec.path / BACKGROUND_FILE).exists():
        return BackgroundCalibration.load(spec.path)
    if model.logit_bias is not None:
        return SigmoidCalibration(model.logit_scale, model.logit_bias)
    mean = model.encode_texts(NEUTRAL_PROMPTS).mean(axis=0)
    return NeutralCalibration(model.logit_scale, (mean / np.linalg.norm(mean)).astype(np.float32))


def _describe(
    spec: ModelSpec,
    family: str,
    revision: str,
    parameters: int,
    device: torch.device,
    dtype: torch.dtype,
    note: str | None,
) -> ModelInfo:
    return ModelInfo(
        service="tagger",
        name=str(spec),
        family=family,
        revision=revision,
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        parameters=parameters,
        note=note,
    )
