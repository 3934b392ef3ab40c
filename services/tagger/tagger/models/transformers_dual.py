"""Dual encoders in transformers' format, by name or from a folder: CLIP (Radford et al., 2021), SigLIP (Zhai et al.,
2023) and SigLIP 2 (Tschannen et al., 2025), such as ``hf:google/siglip2-base-patch16-224``.

SigLIP 2 comes in two kinds. Those of a fixed size are SigLIP's architecture (and say so); the NaFlex ones keep a
picture's proportions and see it as a list of patches, of which each picture has as many as fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from framesense.models.pretrained import Pretrained, side_of
from framesense.models.spec import to_device
from framesense.models.torch_compat import prepare_torchvision
from framesense.serving.compiled_batches import StaticBatches, compiled

FAMILIES = {"clip": "CLIPModel", "siglip": "SiglipModel", "siglip2": "Siglip2Model"}
"""``model_type`` in config.json → the class of transformers."""
MULTILINGUAL = 100_000
"""A vocabulary of more tokens was made for many languages: CLIP's has 49 thousand, SigLIP 2's 256 thousand."""
_NOT_LATIN = re.compile(r"[^\W\d_a-zA-Z\u00c0-\u024f]")


class TransformersDual:
    """Embed pictures and texts with one such model, behind the :class:`~tagger.models.base.DualEncoder` protocol."""

    def __init__(
        self, model: Any, image_processor: Any, tokenizer: Any, revision: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._model, self._image_processor, self._tokenizer = model, image_processor, tokenizer
        self._device, self._dtype, self.revision = device, dtype, revision
        self._static: StaticBatches | None = None
        self.family = str(model.config.model_type)
        vision, text = model.config.vision_config, model.config.text_config
        self._patched = self.family == "siglip2"
        self.image_size = (
            int(image_processor.max_num_patches**0.5) * int(vision.patch_size)
            if self._patched
            else side_of(image_processor, vision.image_size)
        )
        self.logit_scale = float(model.logit_scale.exp())
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias)
        self.parameters = sum(weight.numel() for weight in model.parameters())
        self._longest = int(text.max_position_embeddings)
        self._multilingual = len(tokenizer) > MULTILINGUAL
        self.languages = "many languages" if self._multilingual else "English"
        self.dimensions = self.encode_texts(["a photo"]).shape[1]

    @classmethod
    def load(cls, place: Pretrained, device: torch.device, dtype: torch.dtype) -> TransformersDual:
        """Load a model; raises ValueError or OSError, in words, where it cannot be had or is none of these."""
        prepare_torchvision()
        import transformers

        family = str(place.config().get("model_type"))
        if family not in FAMILIES:
            known = ", ".join(FAMILIES)
            raise ValueError(f"{place.name} holds a model of the family {family!r}; known dual encoders are {known}")
        model = place.model(getattr(transformers, FAMILIES[family]), device, dtype)
        return cls(model, place.image_processor(), place.tokenizer(), place.fingerprint(), device, dtype)

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Prepare a picture as the model sees it: 3 × S × S.

        Of a NaFlex model: patches × (pixels of a patch + 3), the last three numbers of each row being whether it is one
        of the picture's patches, and how many rows and columns of them the picture has.
        """
        inputs = self._image_processor(Image.fromarray(image), return_tensors="pt")
        pixels: Tensor = inputs["pixel_values"][0]
        if not self._patched:
            return pixels
        mask = inputs["pixel_attention_mask"][0][:, None].to(pixels.dtype)
        shape = inputs["spatial_shapes"][0].to(pixels.dtype).expand(len(pixels), 2)
        return torch.cat([pixels, mask, shape], dim=1)

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor) -> NDArray[np.float32]:
        if not self._patched:
            (embeddings,) = (self._static or self._encode)(to_device(pixels, self._device, self._dtype))
            return _normalised(embeddings)
        found = self._model.get_image_features(
            pixel_values=to_device(pixels[..., :-3].contiguous(), self._device, self._dtype),
            pixel_attention_mask=pixels[..., -3].to(self._device, torch.int32),
            spatial_shapes=pixels[:, 0, -2:].long(),
        )
        return _normalised(found.pooler_output)

    @torch.inference_mode()
    def compile(self, largest: int, **options: Any) -> None:
        """Compile the encoder of pictures.

        Raises ValueError for a NaFlex model, whose pictures have as many patches as fit.
        """
        if self._patched:
            raise ValueError(
                "a NaFlex model sees pictures of many shapes and is not compiled; set TAGGER_COMPILE=false"
            )
        static = compiled(self._encode, largest, **options)
        side = self.image_size
        static.warm_up(torch.zeros(1, 3, side, side, device=self._device, dtype=self._dtype))
        self._static = static

    def _encode(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return (self._model.get_image_features(pixel_values=pixels).pooler_output,)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # SigLIP was trained on texts padded to its whole length, without a mask; CLIP reads up to the end token.
        padding: bool | str = True if self.family == "clip" else "max_length"
        tokens = self._tokenizer(
            list(texts), padding=padding, truncation=True, max_length=self._longest, return_tensors="pt"
        ).to(self._device)
        mask = {"attention_mask": tokens["attention_mask"]} if self.family == "clip" else {}
        return _normalised(self._model.get_text_features(input_ids=tokens["input_ids"], **mask).pooler_output)

    def unknown_words(self, text: str) -> list[str]:
        """Return words in other than Latin letters, for the models that learnt English only."""
        return [] if self._multilingual else [word for word in text.split() if _NOT_LATIN.search(word)]


def _normalised(embeddings: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy()
    return result
