"""Any OpenCLIP model (Cherti et al., 2023): CLIP, SigLIP, MetaCLIP, EVA …, by name and tag or from a folder.

A folder is what OpenCLIP's own ``save_for_hf`` or a Hugging Face snapshot holds: ``open_clip_config.json``, the weights
as ``open_clip_model.safetensors`` (or ``open_clip_pytorch_model.bin``), and the tokenizer's files where the model does
not use CLIP's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from framesense.models.spec import to_device
from framesense.models.torch_compat import prepare_torchvision
from framesense.serving.compiled_batches import StaticBatches, compiled

_NOT_LATIN = re.compile(r"[^\W\d_a-zA-Z\u00c0-\u024f]")


class OpenClip:
    """One OpenCLIP model behind the :class:`~tagger.models.base.DualEncoder` protocol.

    Args:
        model: in float32, as it was published: its revision, scale and bias are taken before it becomes ``dtype``.
    """

    def __init__(self, model: Any, transform: Any, tokenizer: Any, device: torch.device, dtype: torch.dtype) -> None:
        model = model.eval().requires_grad_(False)
        self.revision = _fingerprint(model)
        self.parameters = sum(weight.numel() for weight in model.parameters())
        self.logit_scale = float(model.logit_scale.exp())
        bias = getattr(model, "logit_bias", None)
        self.logit_bias = None if bias is None else float(bias)
        # Not by autocast: it would cast all weights anew in each call and keep torch from its fused attention, without
        # which a CPU copies the weights of each layer once for every patch (8 times slower for ViT-B/32, 30 for L/14).
        self._model = model.to(device, dtype)
        self._transform, self._tokenizer, self._device, self._dtype = transform, tokenizer, device, dtype
        self._static: StaticBatches | None = None
        size = model.visual.image_size
        self.image_size = int(size[0] if isinstance(size, Sequence) else size)
        # Texts in other scripts mean something only to a tokenizer that was made for many languages.
        self._multilingual = type(tokenizer).__name__ != "SimpleTokenizer"
        self.dimensions = self.encode_texts(["a photo"]).shape[1]

    @classmethod
    def load(cls, name: str, tag: str | None, device: torch.device, dtype: torch.dtype) -> OpenClip:
        """
        Args:
            name: an architecture such as ``ViT-B-32``, with the ``tag`` of its weights; or a folder, with None.

        Raises:
            ValueError, FileNotFoundError, OSError: no such model, or it cannot be fetched; in words.
        """
        prepare_torchvision()
        import open_clip
        from open_clip.transform import PreprocessCfg, image_transform_v2

        if tag is None:
            place = f"local-dir:{name}"
        else:
            if name not in open_clip.list_models():
                raise ValueError(f"OpenCLIP has no architecture {name!r}; open_clip.list_models() lists them")
            if not open_clip.get_pretrained_cfg(name, tag):
                known = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
                raise ValueError(f"OpenCLIP has no weights {tag!r} for {name}; it has: {known}")
            place = name
        # require_pretrained: never random weights in place of those that could not be had
        model = open_clip.create_model(place, pretrained=tag, device=device, require_pretrained=True)
        config = PreprocessCfg(**open_clip.get_model_preprocess_cfg(model))
        transform = image_transform_v2(config, is_train=False)
        return cls(model, transform, open_clip.get_tokenizer(place), device, dtype)

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
        """Words in other than Latin letters, for the many models that learnt English only."""
        return [] if self._multilingual else [word for word in text.split() if _NOT_LATIN.search(word)]


def _fingerprint(model: Any) -> str:
    """A hash of the weights themselves: tags of the same name may be published anew."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def _normalised(embeddings: Tensor) -> NDArray[np.float32]:
    result: NDArray[np.float32] = torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy()
    return result
