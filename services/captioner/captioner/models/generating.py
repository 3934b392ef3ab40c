"""Captioners of an encoder, which reads the picture, and an autoregressive decoder, which generates the caption; one
more pass over the finished captions tells how likely each token was.

A family says how its parts are called (:meth:`GeneratingCaptioner.encode`, ``generate``, ``score``); batching, tokens,
log-probabilities, embeddings and views are here. There are no attention maps: a word attends through many layers and
heads, so there is no one map of it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from captioner.models.views import patch_descriptors, visual_embedding
from framesense.models.spec import to_device
from framesense.schemas.captions import CaptionExtra
from framesense.serving.compiled_batches import StaticBatches, compiled

UNSUPPORTED = {
    CaptionExtra.ATTENTION: "its words attend through many layers and heads, so there is no one map of a word",
    CaptionExtra.POOLED: "no other model is built on its image encoder",
}


@dataclass(frozen=True)
class PieceCaption:
    """Hold a :class:`captioner.models.base.GeneratedCaption`; the tokens are word pieces ("sun", "##flower")."""

    text: str
    tokens: list[str]
    log_probabilities: list[float]
    word_embeddings: NDArray[np.float32]
    features: NDArray[np.float32] | None = None
    visual: NDArray[np.float32] | None = None
    patches: NDArray[np.float32] | None = None
    attention: NDArray[np.float32] | None = None
    """Always None."""
    pooled: NDArray[np.float32] | None = None
    """Always None."""

    @property
    def confidence(self) -> None:
        """Return None: how often captions of these families are right was not measured."""


@dataclass(frozen=True)
class EncodedImages:
    """Hold a batch of pictures, encoded."""

    states: Tensor
    """B × N × D: what the decoder reads."""
    grid: Tensor
    """B × C × rows × columns: the encoder's last stage, place by place."""


class GeneratingCaptioner(ABC):
    """Caption pictures with an encoder and a decoder; a :class:`captioner.models.base.CaptionModel`.

    Args:
        model: the loaded network; ``parameters()`` are counted.
        transform: resizes and normalises a picture as in training: 3 × S × S.
        tokenizer: of the decoder; of its kind in transformers are used ``all_special_ids``, ``decode`` and
            ``convert_ids_to_tokens``.
        revision: which weights these are.
        image_size: side of the pictures that it takes, in pixels.
        stop: ids of tokens that end a caption and are no part of it.
    """

    def __init__(
        self,
        model: Any,
        *,
        transform: Callable[[Image.Image], Tensor],
        tokenizer: Any,
        revision: str,
        image_size: int,
        dtype: torch.dtype,
        stop: Iterable[int],
    ) -> None:
        self.model, self._transform, self.tokenizer = model, transform, tokenizer
        self.dtype, self.device = dtype, next(model.parameters()).device
        self.revision, self.image_size = revision, image_size
        self.parameters = sum(weight.numel() for weight in model.parameters())
        self._stop = frozenset(stop)
        self._static: StaticBatches | None = None
        self._special = frozenset(self.tokenizer.all_special_ids)

    # ----------------------------------------------------------------------------------------- of a family

    @abstractmethod
    def encode(self, pixels: Tensor) -> EncodedImages:
        """Encode a batch of preprocessed pictures, which are on the model's device."""

    @abstractmethod
    def generate(self, encoded: EncodedImages, beams: int, max_tokens: int) -> Tensor:
        """Generate a caption for each picture, by beam search.

        Returns B × T token ids without start tokens; rows that ended early are padded.
        """

    @abstractmethod
    def score(self, encoded: EncodedImages, generated: Tensor) -> Tensor:
        """Return the logits of each generated token given those before it: B × T × vocabulary."""

    @property
    @abstractmethod
    def embeddings(self) -> Tensor:
        """Return the decoder's own word embeddings: vocabulary × D."""

    # ---------------------------------------------------------------------------------------- shared

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Resize and normalise a picture as in training: H × W × 3 uint8 RGB → 3 × S × S float32."""
        return self._transform(Image.fromarray(image))

    @torch.inference_mode()
    def caption(
        self,
        pixels: Tensor,
        *,
        beams: int = 4,
        max_tokens: int = 24,
        attention: bool = False,
        features: bool = False,
        views: bool = False,
        pooled: bool = False,
    ) -> list[PieceCaption]:
        """Caption a batch of preprocessed pictures, B × 3 × S × S.

        Log-probabilities are the model's own, from one more pass over the finished captions: beam search reports
        its running scores only.
        """
        for extra, wanted in ((CaptionExtra.ATTENTION, attention), (CaptionExtra.POOLED, pooled)):
            if wanted:
                raise ValueError(f"{extra}: {UNSUPPORTED[extra]}")
        encoded = EncodedImages(*(self._static or self._encode)(to_device(pixels, self.device, self.dtype)))
        generated = self.generate(encoded, beams, max_tokens)
        logits = self.score(encoded, generated)
        logs = logits.float().log_softmax(-1).gather(-1, generated[:, :, None]).squeeze(-1)
        views_of = _views(encoded.grid, features, views)
        return [
            self._describe(ids, log_probabilities, {name: array[row] for name, array in views_of.items()})
            for row, (ids, log_probabilities) in enumerate(zip(generated.tolist(), logs.tolist(), strict=True))
        ]

    @torch.inference_mode()
    def compile(self, largest: int, **options: Any) -> None:
        """Compile the encoder; the decoder's batches change with beams and with every token."""
        static = compiled(self._encode, largest, **options)
        static.warm_up(torch.zeros(1, 3, self.image_size, self.image_size, device=self.device, dtype=self.dtype))
        self._static = static

    def _encode(self, pixels: Tensor) -> tuple[Tensor, ...]:
        encoded = self.encode(pixels)
        return encoded.states, encoded.grid

    def starts(self, count: int, token: int) -> Tensor:
        """Return the token with which every caption starts, for each of ``count`` captions: count × 1."""
        return torch.full((count, 1), token, device=self.device)

    def _describe(
        self, ids: Sequence[int], log_probabilities: Sequence[float], views: Mapping[str, NDArray[np.float32]]
    ) -> PieceCaption:
        kept: list[int] = []
        for position, token in enumerate(ids):
            if token in self._stop and kept:
                break
            if token not in self._special and token not in self._stop:
                kept.append(position)
        words = [ids[position] for position in kept]
        return PieceCaption(
            text=self.tokenizer.decode(words).strip(),
            tokens=pieces(self.tokenizer.convert_ids_to_tokens(words)),
            log_probabilities=[log_probabilities[position] for position in kept],
            word_embeddings=self.embeddings[words].float().cpu().numpy(),
            **views,
        )


def pieces(tokens: Sequence[str]) -> list[str]:
    """Write word pieces as BERT does, ``##`` before one that goes on within a word, whatever the tokenizer.

    GPT-2 and its like mark the beginning of a word (Ġ, ▁) instead.
    """
    if not any(token.startswith(("Ġ", "▁", "Ċ")) for token in tokens):
        return list(tokens)
    return [
        token[1:] if token.startswith(("Ġ", "▁")) else token if position == 0 or not token.isalnum() else f"##{token}"
        for position, token in enumerate(tokens)
    ]


def grid_of(states: Tensor) -> Tensor:
    """Lay out a vision transformer's last states as a grid: B × N × D → B × D × side × side.

    Class and register tokens, which come first, are left out.
    """
    side = math.isqrt(states.shape[1])
    return states[:, -side * side :].transpose(1, 2).reshape(len(states), -1, side, side)


def _views(grid: Tensor, features: bool, views: bool) -> dict[str, NDArray[np.float32]]:
    """Return what is requested of the encoder's last stage: features are B × rows × columns × channels."""
    stage = grid.float()
    found = {"features": stage.permute(0, 2, 3, 1)} if features else {}
    if views:
        places = (stage.shape[2], stage.shape[3])
        found |= {"visual": visual_embedding([stage]), "patches": patch_descriptors([stage], places)}
    return {name: tensor.cpu().numpy() for name, tensor in found.items()}
