"""Dual encoders of OpenCLIP: CLIP, SigLIP, MetaCLIP, EVA …, as :mod:`framesense.models.openclip` finds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from framesense.models.openclip import OpenClipFiles, fingerprint, image_side
from framesense.models.spec import to_device
from framesense.serving.compiled_batches import StaticBatches, compiled

_NOT_LATIN = re.compile(r"[^\W\d_a-zA-Z\u00c0-\u024f]")


class OpenClip:
    """Embed pictures and texts with one OpenCLIP model, behind the :class:`~tagger.models.base.DualEncoder` protocol.

    Args:
        model: in float32, as it was published: its revision, scale and bias are taken before it becomes ``dtype``.
    """

    def __init__(self, model: Any, transform: Any, tokenizer: Any, device: torch.device, dtype: torch.dtype) -> None:
        self.revision = fingerprint(model)
        self.parameters = sum(weight.numel() for weight in model.parameters())
        self.logit_scale = float(model.logit_scale.exp())
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias)
        # Not by autocast: it would cast all weights anew in each call and keep torch from its fused attention, without
        # which a CPU copies the weights of each layer once for every patch (8 times slower for ViT-B/32, 30 for L/14).
        self._model = model.to(device, dtype)
        self._transform, self._tokenizer, self._device, self._dtype = transform, tokenizer, device, dtype
        self._static: StaticBatches | None = None
        self.image_size = image_side(model)
        # Texts in other scripts mean something only to a tokenizer that was made for many languages.
        self._multilingual = type(tokenizer).__name__ != "SimpleTokenizer"
        self.languages = "many languages" if self._multilingual else "English"
        self.dimensions = self.encode_texts(["a photo"]).shape[1]

    @classmethod
    def load(cls, files: OpenClipFiles, device: torch.device, dtype: torch.dtype) -> OpenClip:
        """Load a dual encoder from its files.

        Raises ValueError, FileNotFoundError or OSError, in words, where there is no such model or it cannot be fetched.
        """
        model = files.model(device)
        return cls(model, files.transform(model), files.tokenizer(), device, dtype)

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        pixels: Tensor = self._transform(Image.fromarray(image))
        return pixels

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> NDArray[np.float32]:
        (embeddings,) = (self._static or self._encode)(to_device(pixels, self._device, self._dtype))
        return _normalised(embeddings)

    @torch.inference_mode()
    def compile(self, largest: int, **options: Any) -> None:
        static = compiled(self._encode, largest, **options)
        side = self.image_size
        static.warm_up(torch.zeros(1, 3, side, side, device=self._device, dtype=self._dtype))
        self._static = static

    def _encode(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return (self._model.encode_image(pixels),)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return _normalised(self._model.encode_text(self._tokenizer(list(texts)).to(self._device)))

    def unknown_words(self, text: str) -> list[str]:
        """Return words in other than Latin letters, for the many models that learnt English only."""
        return [] if self._multilingual else [word for word in text.split() if _NOT_LATIN.search(word)]


def _normalised(embeddings: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy()
    return result
