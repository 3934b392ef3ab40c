"""The model behind ``preprocess`` and ``caption``: encoder, decoder, search and vocabulary put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from captioner.models.lite2_views import views_of
from captioner.models.show_attend_tell.confidence import ConfidenceModel
from captioner.models.show_attend_tell.decoder import SPECIAL_WORDS, Decoder
from captioner.models.show_attend_tell.files import load_decoder, revision_of
from captioner.models.show_attend_tell.search import SearchResult, beam_search, greedy_search
from framesense.models.encoders.efficientnet_lite2 import GRID, encode_stages, load_encoder, squash


@dataclass(frozen=True)
class Caption:
    """Hold the caption of one picture; T is the number of tokens (at least 1)."""

    text: str
    """The tokens as a phrase, lower case, without a full stop: "a dog runs through the man's garden"."""
    tokens: list[str]
    """The words, never ``<unk>`` nor any other special word."""
    log_probabilities: list[float]
    """T natural logarithms, ≤ 0: log p(token | picture, tokens before it), over the whole vocabulary."""
    end_log_probability: float | None
    """log p(the caption ends here); None where ``max_tokens`` cut it off."""
    score: float
    """The beams were ranked by this: the sum of all the above / (their number ** length_penalty); ≤ 0."""
    word_embeddings: NDArray[np.float32]
    """T×D: the decoder's own input embedding of each token."""
    confidence: float | None = None
    """The chance that the caption is right, in [0, 1]; None without a calibration."""
    attention: NDArray[np.float32] | None = None
    """T×9×9: where the decoder looked for each token, ≥ 0, each map sums to 1; None unless asked for."""
    features: NDArray[np.float32] | None = None
    """9×9×1280: the encoder's annotation vectors; None unless asked for."""
    visual: NDArray[np.float32] | None = None
    """472: the picture as a whole (:mod:`captioner.models.lite2_views`); None unless asked for."""
    patches: NDArray[np.float32] | None = None
    """17×17×64: the picture, place by place (:mod:`captioner.models.lite2_views`); None unless asked for."""
    pooled: NDArray[np.float32] | None = None
    """2992: the encoder's pooled features; None unless asked for."""


def join_words(words: Sequence[str]) -> str:
    """Join tokens to a phrase; clitics ("'s", "n't") join the word before them."""
    return " ".join(words).replace(" '", "'").replace(" n't", "n't")


# ------------------------------------------------------------------------------------------------------------ model


class ShowAttendTell:
    """Encoder, decoder and vocabulary behind two calls: ``preprocess`` a picture, ``caption`` a batch of them.

    Calls of ``caption`` keep no state: they may come from several threads.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: Decoder,
        vocabulary: Sequence[str],
        *,
        image_size: int = 260,
        length_penalty: float = 1.0,
        revision: str = "",
        dtype: torch.dtype = torch.float32,
        confidence: ConfidenceModel | None = None,
    ) -> None:
        if tuple(vocabulary[: len(SPECIAL_WORDS)]) != SPECIAL_WORDS or len(vocabulary) != decoder.sizes.vocabulary:
            raise ValueError(f"expected {decoder.sizes.vocabulary} words, the first of them {SPECIAL_WORDS}")
        self.encoder, self.decoder, self.vocabulary = encoder.eval(), decoder.eval(), tuple(vocabulary)
        self.image_size, self.length_penalty, self.revision, self.dtype = image_size, length_penalty, revision, dtype
        self.device = decoder.word_bias.device
        self.confidence = confidence

    @classmethod
    def load(
        cls,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        confidence: ConfidenceModel | None = None,
    ) -> ShowAttendTell:
        """Read the folder that :func:`save_decoder` wrote, and the encoder from its package.

        Args:
            folder: holds config.json, vocabulary.json and decoder.safetensors.
            device: where the model runs.
            confidence: what :func:`load_confidence` found beside the weights; None to estimate none.
            dtype: torch.float32, or torch.bfloat16 / torch.float16 to run the matrix products so (autocast).

        Raises:
            FileNotFoundError: the folder lacks a file.
            ValueError: the files do not fit each other.
        """
        decoder, vocabulary, config = load_decoder(folder)
        encoder = cast(Any, load_encoder()).to(device=device, memory_format=torch.channels_last)
        return cls(
            encoder,
            decoder.to(device),
            vocabulary,
            image_size=int(config["image_size"]),
            length_penalty=float(config["length_penalty"]),
            revision=revision_of(folder),
            dtype=dtype,
            confidence=confidence,
        )

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Squash a picture as in training: H×W×3 uint8 RGB → 3×260×260 uint8; pictures of a batch are stacked.

        Raises:
            ValueError: not a picture of that shape and type, or an empty one.
        """
        return squash(image, self.image_size)

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
    ) -> list[Caption]:
        """Caption a batch of preprocessed pictures.

        Args:
            pixels: B×3×260×260 uint8, on any device.
            beams: width of the beam search, ≥ 1; 1 is greedy and the fastest.
            max_tokens: captions are cut after so many tokens, ≥ 1.
            attention: also return where the decoder looked (T×9×9 a caption).
            features: also return the encoder's annotation vectors (9×9×1280 a picture).
            views: also return the visual embedding and the patch descriptors (472 and 17×17×64 a picture).
            pooled: also return the encoder's pooled features (2992 a picture).

        Raises:
            ValueError: wrong shape or type of pixels, beams or max_tokens below 1.
        """
        if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, self.image_size, self.image_size):
            raise ValueError(f"expected B×3×{self.image_size}×{self.image_size} pixels, got {tuple(pixels.shape)}")
        if pixels.dtype != torch.uint8:
            raise ValueError(f"expected uint8 pixels, got {pixels.dtype}")
        if pixels.shape[0] == 0:
            return []
        encoded = encode_stages(self.encoder, pixels, self.dtype)
        seen = views_of(encoded, features=features, views=views, pooled=pooled)
        grid = encoded.grid
        del encoded  # the search need not hold the stages
        found = self.search(grid, beams=beams, max_tokens=max_tokens, attention=attention)
        means = grid.float().mean(1).cpu().numpy()
        return [
            self._describe(caption, mean, attention, extras)
            for caption, mean, extras in zip(found, means, seen, strict=True)
        ]

    def search(self, encoded: Tensor, *, beams: int, max_tokens: int, attention: bool = False) -> list[SearchResult]:
        """Find the best caption for each of B×81×1280 annotation vectors, as word ids: half of ``caption``."""
        if beams < 1 or max_tokens < 1:
            raise ValueError(f"beams and max_tokens must be at least 1, got {beams} and {max_tokens}")
        with torch.inference_mode():
            memory = self.decoder.remember(encoded.to(self.device).float())
            if beams == 1:
                return greedy_search(self.decoder, memory, max_tokens, self.length_penalty)
            return beam_search(self.decoder, memory, beams, max_tokens, self.length_penalty, attention)

    def _describe(
        self,
        found: SearchResult,
        mean: NDArray[np.float32],
        attention: bool,
        seen: Mapping[str, NDArray[np.float32]],
    ) -> Caption:
        tokens = [self.vocabulary[word] for word in found.words]
        logs = found.log_probabilities[: len(tokens)]
        ended = len(found.log_probabilities) > len(tokens)
        maps = None
        if attention and found.attention is not None:
            maps = found.attention.reshape(-1, GRID, GRID).float().cpu().numpy()
        return Caption(
            text=join_words(tokens),
            tokens=tokens,
            log_probabilities=logs,
            end_log_probability=found.log_probabilities[-1] if ended else None,
            score=found.score,
            word_embeddings=self.decoder.words.weight[found.words].float().cpu().numpy(),
            confidence=self.confidence.estimate(mean, found.words, logs) if self.confidence else None,
            attention=maps,
            **seen,
        )
