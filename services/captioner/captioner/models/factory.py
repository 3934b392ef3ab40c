"""From the name of a model to a loaded model.

A new family is one file here and one entry in ``FAMILIES``; docs/contributing.md has the steps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch

from captioner.models.base import CaptionModel, LoadedModel
from captioner.models.blip import Blip
from captioner.models.blip2 import Blip2
from captioner.models.clipcap import ClipCap
from captioner.models.coca import ARCHITECTURE_PREFIX, Coca
from captioner.models.florence2 import Florence2
from captioner.models.generating import UNSUPPORTED, GeneratingCaptioner
from captioner.models.git import Git
from captioner.models.show_attend_tell import ShowAttendTell, load_confidence
from captioner.models.vision_encoder_decoder import VisionEncoderDecoder
from captioner.settings import CaptionerSettings
from framesense.models.encoders.efficientnet_lite2 import encoder_name
from framesense.models.openclip import OpenClipFiles, is_folder_of_open_clip
from framesense.models.pretrained import Pretrained
from framesense.models.spec import ModelSource, ModelSpec, choose_device, choose_dtype
from framesense.schemas.captions import CaptionExtra
from framesense.schemas.models import ModelInfo, WordEmbeddings

EMBEDDED_FOLDER = "captioner-show-attend-tell"
EMBEDDED_NOTE = "A small model trained on about 11,000 photos: its words are common ones and its details often wrong."

NOT_CALIBRATED = "how often captions of this family are right was not measured"


@dataclass(frozen=True)
class Loaded:
    """Hold what a family's loader returns."""

    model: CaptionModel
    revision: str
    parameters: int
    unsupported: Mapping[CaptionExtra, str] = field(default_factory=dict)
    """What the family cannot return, and why."""
    word_embeddings: WordEmbeddings = WordEmbeddings.DECODER
    """What the word embeddings of its captions are."""
    no_confidence: str | None = NOT_CALIBRATED
    """Why its captions carry no confidence."""
    encoder: str | None = None
    """Its image encoder, where it returns pooled features."""


Files = TypeVar("Files")
Loader = Callable[[Files, torch.device, torch.dtype], Loaded]
"""Loads a model from its files onto a device, in a dtype."""


def _show_attend_tell(files: Pretrained, device: torch.device, dtype: torch.dtype) -> Loaded:
    folder = Path(files.name)
    confidence, missing = load_confidence(folder)
    model = ShowAttendTell.load(folder, device, dtype, confidence)
    weights = (*model.encoder.parameters(), *model.decoder.parameters())
    return Loaded(
        model,
        model.revision,
        sum(weight.numel() for weight in weights),
        no_confidence=missing,
        encoder=encoder_name(model.image_size),
    )


def _generating(load_family: Callable[[Files, torch.device, torch.dtype], GeneratingCaptioner]) -> Loader[Files]:
    def load(files: Files, device: torch.device, dtype: torch.dtype) -> Loaded:
        model = load_family(files, device, dtype)
        return Loaded(model, model.revision, model.parameters, UNSUPPORTED)

    return load


FAMILIES: Mapping[str, Loader[Pretrained]] = {
    "show-attend-tell": _show_attend_tell,
    "blip": _generating(Blip.load),
    "blip-2": _generating(Blip2.load),
    "vision-encoder-decoder": _generating(VisionEncoderDecoder.load),
    "git": _generating(Git.load),
    "florence2": _generating(Florence2.load),
    "clipcap": _generating(ClipCap.load),
}
"""By ``model`` (this project's own formats) or ``model_type`` (transformers') in a model's config.json."""

OPEN_CLIP_FAMILY, OPEN_CLIP_LOADER = "coca", _generating(Coca.load)
"""Of OpenCLIP's models, the one family that captions."""


def load_model(settings: CaptionerSettings) -> LoadedModel:
    """Load the model that the settings name.

    Raises ValueError or OSError, in words a person can act on, where it cannot be had or does not fit.
    """
    spec = settings.model_spec
    device = choose_device(settings.captioner_device)
    dtype = choose_dtype(settings.captioner_dtype, device)
    family, loaded = _load(spec, settings.models_dir, device, dtype)
    info = ModelInfo(
        service="captioner",
        name=str(spec),
        family=family,
        revision=loaded.revision,
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        parameters=loaded.parameters,
        word_embeddings=loaded.word_embeddings,
        note=EMBEDDED_NOTE if spec.source is ModelSource.EMBEDDED else None,
        no_confidence=loaded.no_confidence,
        encoder=loaded.encoder,
    )
    return LoadedModel(loaded.model, info, loaded.unsupported)


def require_captioner(spec: ModelSpec) -> None:
    """Refuse a name that can be no captioning model's, with a ValueError that says which can."""
    if spec.source is ModelSource.OPEN_CLIP and not spec.name.startswith(ARCHITECTURE_PREFIX):
        raise ValueError(
            f"{spec} is no captioning model; the captioner takes 'embedded', 'hf:ORG/NAME', 'path:DIR' and, of "
            f"OpenCLIP's, 'open_clip:{ARCHITECTURE_PREFIX}ARCH/TAG'"
        )


def _load(spec: ModelSpec, models_dir: Path, device: torch.device, dtype: torch.dtype) -> tuple[str, Loaded]:
    """Find the model's files, tell its family by them, and load it."""
    require_captioner(spec)
    if spec.source is ModelSource.OPEN_CLIP or (spec.source is ModelSource.PATH and is_folder_of_open_clip(spec.path)):
        return OPEN_CLIP_FAMILY, OPEN_CLIP_LOADER(OpenClipFiles.of(spec), device, dtype)
    files = _locate(spec, models_dir)
    family = _family_of(files)
    return family, FAMILIES[family](files, device, dtype)


def _locate(spec: ModelSpec, models_dir: Path) -> Pretrained:
    if spec.source is ModelSource.HUGGING_FACE:
        return Pretrained(spec.name, spec.revision)
    folder = spec.path if spec.source is ModelSource.PATH else models_dir / EMBEDDED_FOLDER
    return Pretrained(str(folder.absolute()))


def _family_of(files: Pretrained) -> str:
    config = files.config()
    family = str(config.get("model") or config.get("model_type"))
    if family not in FAMILIES:
        raise ValueError(f"{files.name} holds a model of the family {family!r}; known are {', '.join(FAMILIES)}")
    return family
