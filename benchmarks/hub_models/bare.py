"""A model in this process, by the services' own loaders: the same arithmetic as theirs, with no server around it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.hub_models.subjects import TOKENS


@dataclass(frozen=True)
class Bare:
    """``preprocess`` makes a tensor of an RGB picture (rows × columns × 3, uint8), ``run`` asks about a batch of them.

    ``run_bytes`` is what a run reads from memory at least, whatever the batch: the decoder's weights once a token; 0
    for embeddings.
    """

    preprocess: Callable[[Any], torch.Tensor]
    run: Callable[[torch.Tensor], Any]
    run_bytes: int

    def prepare(self, photo: bytes) -> torch.Tensor:
        """Decode and preprocess an image file, on the CPU."""
        return self.preprocess(np.asarray(Image.open(io.BytesIO(photo)).convert("RGB")))


def load_bare(service: str, folder: Path, device: torch.device, dtype: torch.dtype) -> Bare:
    """Load the model in a folder as ``captioner`` or ``tagger`` has it.

    The captioner is greedy, :data:`~benchmarks.hub_models.subjects.TOKENS` long; the tagger gives embeddings.
    """
    name = str(dtype).removeprefix("torch.")
    return (_captioner if service == "captioner" else _tagger)(folder, str(device), name)


def _captioner(folder: Path, device: str, dtype: Any) -> Bare:
    from captioner.models.factory import load_model
    from captioner.settings import CaptionerSettings

    settings = CaptionerSettings(captioner_model=f"path:{folder}", captioner_device=device, captioner_dtype=dtype)
    model: Any = load_model(settings).model
    weights = sum(weight.nbytes for weight in model.model.text_decoder.parameters())
    return Bare(model.preprocess, lambda pixels: model.caption(pixels, beams=1, max_tokens=TOKENS), TOKENS * weights)


def _tagger(folder: Path, device: str, dtype: Any) -> Bare:
    from tagger.models.factory import load_model
    from tagger.settings import TaggerSettings

    settings = TaggerSettings(tagger_model=f"path:{folder}", tagger_device=device, tagger_dtype=dtype)
    model = load_model(settings).model
    return Bare(model.preprocess, model.encode_images, 0)
