"""From the name of a model to a loaded model. A new family is one file here and one entry in ``FAMILIES``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from captioner.models.base import CaptionModel, LoadedModel
from captioner.models.blip import Blip
from captioner.models.blip2 import Blip2
from captioner.models.clipcap import ClipCap
from captioner.models.florence2 import Florence2
from captioner.models.generating import NO_ATTENTION, GeneratingCaptioner
from captioner.models.git import Git
from captioner.models.show_attend_tell import ShowAttendTell
from captioner.models.vision_encoder_decoder import VisionEncoderDecoder
from captioner.settings import CaptionerSettings
from framesense.models.pretrained import Pretrained
from framesense.models.spec import ModelSource, ModelSpec, choose_device, choose_dtype
from framesense.schemas.captions import CaptionExtra
from framesense.schemas.models import ModelInfo, WordEmbeddings

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
    """``load`` takes the model's files, a device and a dtype."""

    load: Callable[[Pretrained, torch.device, torch.dtype], Loaded]
    unsupported: Mapping[CaptionExtra, str] = field(default_factory=dict)
    word_embeddings: WordEmbeddings = WordEmbeddings.DECODER
    """What its captions' word embeddings are."""


def _show_attend_tell(place: Pretrained, device: torch.device, dtype: torch.dtype) -> Loaded:
    model = ShowAttendTell.load(Path(place.name), device, dtype)
    weights = (*model.encoder.parameters(), *model.decoder.parameters())
    return Loaded(model, model.revision, sum(weight.numel() for weight in weights))


def _generating(family: type[GeneratingCaptioner]) -> Family:
    def load(place: Pretrained, device: torch.device, dtype: torch.dtype) -> Loaded:
        model = family.load(place, device, dtype)
        return Loaded(model, model.revision, model.parameters)

    return Family(load, NO_ATTENTION)


FAMILIES: Mapping[str, Family] = {
    "show-attend-tell": Family(_show_attend_tell),
    "blip": _generating(Blip),
    "blip-2": _generating(Blip2),
    "vision-encoder-decoder": _generating(VisionEncoderDecoder),
    "git": _generating(Git),
    "florence2": _generating(Florence2),
    "clipcap": _generating(ClipCap),
}
"""By ``model`` (this project's own formats) or ``model_type`` (transformers') in a model's config.json."""


def load_model(settings: CaptionerSettings) -> LoadedModel:
    """Load what the settings name.

    Raises ValueError or OSError, in words a person can act on, where it cannot be had or does not fit.
    """
    spec = settings.model_spec
    device = choose_device(settings.captioner_device)
    dtype = choose_dtype(settings.captioner_dtype, device)
    place = _locate(spec, settings.models_dir)
    family_name = _family_of(place)
    family = FAMILIES[family_name]
    loaded = family.load(place, device, dtype)
    info = ModelInfo(
        service="captioner",
        name=str(spec),
        family=family_name,
        revision=loaded.revision,
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        parameters=loaded.parameters,
        word_embeddings=family.word_embeddings,
        note=EMBEDDED_NOTE if spec.source is ModelSource.EMBEDDED else None,
    )
    return LoadedModel(loaded.model, info, family.unsupported)


def require_captioner(spec: ModelSpec) -> None:
    """Raises ValueError for a name that can be no captioning model's."""
    if spec.source is ModelSource.OPEN_CLIP:
        raise ValueError(f"{spec} is no captioning model; the captioner takes 'embedded', 'hf:ORG/NAME' or 'path:DIR'")


def _locate(spec: ModelSpec, models_dir: Path) -> Pretrained:
    require_captioner(spec)
    if spec.source is ModelSource.HUGGING_FACE:
        return Pretrained(spec.name, spec.revision)
    folder = spec.path if spec.source is ModelSource.PATH else models_dir / EMBEDDED_FOLDER
    return Pretrained(str(folder.absolute()))


def _family_of(place: Pretrained) -> str:
    config = place.config()
    family = str(config.get("model") or config.get("model_type"))
    if family not in FAMILIES:
        raise ValueError(f"{place.name} holds a model of the family {family!r}; known are {', '.join(FAMILIES)}")
    return family
