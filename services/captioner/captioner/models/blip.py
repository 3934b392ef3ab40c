"""BLIP (Li et al., 2022, arXiv:2201.12086) from Hugging Face, for instance ``Salesforce/blip-image-captioning-base``.

A vision transformer reads the picture, a BERT-like decoder with cross-attention writes the caption. Better captions
than the embedded model's, at some 30 times the cost: prefer it where there is a GPU.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from captioner.models.views import patch_descriptors, visual_embedding
from framesense.torch_compat import prepare_torchvision


@dataclass(frozen=True)
class BlipCaption:
    """A :class:`captioner.models.base.GeneratedCaption`; the tokens are word pieces ("sun", "##flower")."""

    text: str
    tokens: list[str]
    log_probabilities: list[float]
    word_embeddings: NDArray[np.float32]
    features: NDArray[np.float32] | None = None
    visual: NDArray[np.float32] | None = None
    patches: NDArray[np.float32] | None = None
    attention: NDArray[np.float32] | None = None
    """Always None."""


class Blip:
    """The model, its image processor and its tokenizer behind ``preprocess`` and ``caption``."""

    def __init__(self, model: Any, image_processor: Any, tokenizer: Any, revision: str, dtype: torch.dtype) -> None:
        self._model, self._image_processor, self._tokenizer = model, image_processor, tokenizer
        self._dtype = dtype
        self._device = next(model.parameters()).device
        self.revision = revision
        self.image_size: int = model.config.vision_config.image_size
        self.parameters = sum(weight.numel() for weight in model.parameters())

    @classmethod
    def load(cls, name: str, revision: str | None, device: torch.device, dtype: torch.dtype) -> Self:
        """``name`` is a folder, or ORG/NAME on the hub (fetched once into the hub's cache).

        Raises OSError or ValueError where it cannot be had or is no BLIP captioner.
        """
        prepare_torchvision()
        from transformers import AutoTokenizer, BlipForConditionalGeneration
        from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

        model: Any = BlipForConditionalGeneration.from_pretrained(name, revision=revision or "main", dtype=dtype)
        if model.config.model_type != "blip":
            raise ValueError(f"{name} is a {model.config.model_type!r} model, not BLIP")
        return cls(
            model.eval().requires_grad_(False).to(device),
            BlipImageProcessorPil.from_pretrained(name, revision=revision or "main"),
            AutoTokenizer.from_pretrained(name, revision=revision or "main"),
            _revision(name, model.config),
            dtype,
        )

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """An H × W × 3 uint8 RGB picture → 3 × S × S float32, resized and normalised as in training."""
        pixels: Tensor = self._image_processor(Image.fromarray(image), return_tensors="pt")["pixel_values"][0]
        return pixels

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
    ) -> list[BlipCaption]:
        """Caption a batch of preprocessed pictures, B × 3 × S × S.

        Log-probabilities are the model's own, from one more pass over the finished captions: beam search reports
        its running scores only.
        """
        if attention:
            raise ValueError("BLIP returns no attention maps")
        config = self._model.config.text_config
        decoder = self._model.text_decoder
        states: Tensor = self._model.vision_model(pixel_values=pixels.to(self._device, self._dtype))[0]
        start = torch.full((len(pixels), 1), config.bos_token_id, device=self._device)
        written: Tensor = decoder.generate(
            input_ids=start,
            encoder_hidden_states=states,
            num_beams=beams,
            do_sample=False,
            max_new_tokens=max_tokens,
            min_new_tokens=1,
            bos_token_id=config.bos_token_id,
            eos_token_id=config.sep_token_id,
            pad_token_id=config.pad_token_id,
        )
        logits = decoder(input_ids=written[:, :-1], encoder_hidden_states=states).logits
        logs = logits.float().log_softmax(-1).gather(-1, written[:, 1:, None]).squeeze(-1)
        seen = self._see(states, features, views)
        return [
            self._describe(ids, log_probabilities, {name: array[row] for name, array in seen.items()})
            for row, (ids, log_probabilities) in enumerate(zip(written[:, 1:].tolist(), logs.tolist(), strict=True))
        ]

    def _describe(
        self, ids: Sequence[int], log_probabilities: Sequence[float], seen: Mapping[str, NDArray[np.float32]]
    ) -> BlipCaption:
        special = set(self._tokenizer.all_special_ids)
        kept = [position for position, token in enumerate(ids) if token not in special]
        words = [ids[position] for position in kept]
        embeddings: Tensor = self._model.text_decoder.get_input_embeddings().weight[words]
        return BlipCaption(
            text=self._tokenizer.decode(words),
            tokens=self._tokenizer.convert_ids_to_tokens(words),
            log_probabilities=[log_probabilities[position] for position in kept],
            word_embeddings=embeddings.float().cpu().numpy(),
            **seen,
        )

    def _see(self, states: Tensor, features: bool, views: bool) -> dict[str, NDArray[np.float32]]:
        """What is asked for of the vision transformer's last states, without the class token: features are B × rows ×
        columns × channels."""
        side = self.image_size // self._model.config.vision_config.patch_size
        grid = states[:, 1:].reshape(len(states), side, side, -1).float()
        seen = {"features": grid} if features else {}
        if views:
            stage = [grid.permute(0, 3, 1, 2)]
            seen |= {"visual": visual_embedding(stage), "patches": patch_descriptors(stage, (side, side))}
        return {name: tensor.cpu().numpy() for name, tensor in seen.items()}


def _revision(name: str, config: Any) -> str:
    """The hub's commit; for a folder, a hash over its configuration and weights."""
    if commit := getattr(config, "_commit_hash", None):
        return str(commit)
    digest = hashlib.sha256()
    for pattern in ("config.json", "*.safetensors", "*.bin"):
        for path in sorted(Path(name).glob(pattern)):
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]
