"""From the name of a model to a loaded model. A new family is one file here and one entry in ``FAMILIES``."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from captioner.models.base import CaptionModel, LoadedModel
from captioner.models.blip import Blip
from captioner.models.show_attend_tell import ShowAttendTell
from captioner.settings import CaptionerSettings
from framesense.models import ModelSource, ModelSpec, choose_device, choose_dtype
from framesense.schemas.captions import CaptionExtra
from framesense.schemas.models import ModelInfo

EMBEDDED_FOLDER = "captioner-show-attend-tell"
EMBEDDED_NOTE = "A small model trained on 6,000 everyday photos: its words are common ones and its details often wrong."


@dataclass(frozen=True)
class Loaded:
    """What a family's loader returns."""

    model: CaptionModel
    revision: str
    parameters: int


@dataclass(frozen=True)
class Family:
    """``load`` takes a folder or a hub name, a revision, a device and a dtype."""

    load: Callable[[str, str | None, torch.device, torch.dtype], Loaded]
    unsupported: Mapping[CaptionExtra, str] = field(default_factory=dict)


def _load_show_attend_tell(folder: str, revision: str | None, device: torch.device, dtype: torch.dtype) -> Loaded:
    model = ShowAttendTell.load(Path(folder), device, dtype)
    weights = (*model.encoder.parameters(), *model.decoder.parameters())
    return Loaded(model, model.revision, sum(weight.numel() for weight in weights))


def _load_blip(name: str, revision: str | None, device: torch.device, dtype: torch.dtype) -> Loaded:
    model = Blip.load(name, revision, device, dtype)
    return Loaded(model, model.revision, model.parameters)


FAMILIES: Mapping[str, Family] = {
    "show-attend-tell": Family(_load_show_attend_tell),
    "blip": Family(
        _load_blip,
        {CaptionExtra.ATTENTION: "a BLIP word attends through many layers and heads, so there is no one map of it"},
    ),
}


def load_model(settings: CaptionerSettings) -> LoadedModel:
    """Load what the settings name.

    Raises ValueError or OSError, in words a person can act on, where it cannot be had or does not fit.
    """
    spec = settings.model_spec
    device = choose_device(settings.captioner_device)
    dtype = choose_dtype(settings.captioner_dtype, device)
    family_name, place = _locate(spec, settings.models_dir)
    family = FAMILIES[family_name]
    loaded = family.load(place, spec.revision, device, dtype)
    info = ModelInfo(
        service="captioner",
        name=str(spec),
        family=family_name,
        revision=loaded.revision,
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        parameters=loaded.parameters,
        note=EMBEDDED_NOTE if spec.source is ModelSource.EMBEDDED else None,
    )
    return LoadedModel(loaded.model, info, family.unsupported)


def require_captioner(spec: ModelSpec) -> None:
    """Raises ValueError for a name that can be no captioning model's."""
    if spec.source is ModelSource.OPEN_CLIP:
        raise ValueError(f"{spec} is no captioning model; the captioner takes 'embedded', 'hf:ORG/NAME' or 'path:DIR'")


def _locate(spec: ModelSpec, models_dir: Path) -> tuple[str, str]:
    """The family and the folder or hub name of a model."""
    if spec.source is ModelSource.HUGGING_FACE:
        return "blip", spec.name
    require_captioner(spec)
    folder = spec.path if spec.source is ModelSource.PATH else models_dir / EMBEDDED_FOLDER
    return _family_of(folder), str(folder)


def _family_of(folder: Path) -> str:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no captioning model in {folder}: it has no config.json") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{folder / 'config.json'} is not JSON: {error}") from error
    family = str(config.get("model") or config.get("model_type"))
    if family not in FAMILIES:
        raise ValueError(f"{folder} holds a model of the family {family!r}; known are {', '.join(FAMILIES)}")
    return family
