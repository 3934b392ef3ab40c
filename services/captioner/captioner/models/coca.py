"""CoCa (Yu et al., 2022, arXiv:2205.01917) from OpenCLIP, for instance
``open_clip:coca_ViT-B-32/mscoco_finetuned_laion2b_s13b_b90k``.

A vision transformer whose patches are pooled into 255 tokens, a text decoder that reads the caption so far, and one
more that lets it attend to the picture. Trained to match and to caption two billion pictures of the web; take the
weights fine-tuned on COCO for plain captions. Its decoder keeps no keys and values between words, so a word costs more
than BLIP's, the longer the caption the more.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from captioner.models.generating import EncodedImages, GeneratingCaptioner, grid_of
from framesense.models.openclip import OpenClipFiles, fingerprint, image_side
from framesense.models.torch_compat import prepare_torchvision

FAMILY = "coca"
ARCHITECTURE_PREFIX = "coca_"
"""How OpenCLIP's names of CoCa's architectures begin."""


class Coca(GeneratingCaptioner):
    @classmethod
    def load(cls, files: OpenClipFiles, device: torch.device, dtype: torch.dtype) -> Self:
        """Load a CoCa.

        Raises ValueError, FileNotFoundError or OSError, in words, where it cannot be had or is no CoCa.
        """
        model = files.model(device)
        prepare_torchvision()
        from captioner.models.coca_decoder import CocaDecoder

        if not hasattr(model, "text_decoder"):
            raise ValueError(
                f"{files.name} does not caption; of OpenCLIP's models, those named {ARCHITECTURE_PREFIX}… do"
            )
        tokenizer = _ClipTokenizer(files.tokenizer())
        transform, revision = files.transform(model), fingerprint(model)
        coca = cls(
            model.to(dtype),
            transform=transform,
            tokenizer=tokenizer,
            revision=revision,
            image_size=image_side(model),
            dtype=dtype,
            stop=[tokenizer.end],
        )
        coca._decoder = CocaDecoder(coca._logits, model.text.vocab_size, coca.device)
        return coca

    _decoder: Any

    def encode(self, pixels: Tensor) -> EncodedImages:
        # Step by step, as `model.visual(pixels)` would: the grid is of the patches before they are pooled.
        vision = self.model.visual
        patches = vision.transformer(vision._embeds(pixels))
        _, tokens = vision._pool(patches)
        return EncodedImages(tokens, grid_of(patches))

    def generate(self, encoded: EncodedImages, beams: int, max_tokens: int) -> Tensor:
        start = self.starts(len(encoded.states), self.tokenizer.start)
        generated: Tensor = self._decoder.generate(
            input_ids=start,
            attention_mask=torch.ones_like(start),
            picture=encoded.states,
            num_beams=beams,
            do_sample=False,
            max_new_tokens=min(max_tokens, self.model.context_length - 1),
            min_new_tokens=1,
            eos_token_id=self.tokenizer.end,
            pad_token_id=self.model.pad_id,
            use_cache=False,
        )
        return generated[:, 1:]

    def score(self, encoded: EncodedImages, generated: Tensor) -> Tensor:
        begun = torch.cat([self.starts(len(generated), self.tokenizer.start), generated[:, :-1]], dim=1)
        return self._logits(encoded.states, begun)

    @property
    def embeddings(self) -> Tensor:
        weight: Tensor = self.model.text.token_embedding.weight
        return weight

    def _logits(self, picture: Tensor, ids: Tensor) -> Tensor:
        """Return the logits of the token after each of ``ids``: B × T × vocabulary."""
        _, tokens = self.model.text(ids)
        logits: Tensor = self.model.text_decoder(picture, tokens)
        return logits


class _ClipTokenizer:
    """Adapt OpenCLIP's tokenizer to a :class:`captioner.models.generating.Tokenizer`.

    Its pieces mark the end of a word (``</w>``); here a piece that goes on within a word begins with ``##``.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not hasattr(tokenizer, "sot_token_id"):
            raise ValueError("a CoCa with another tokenizer than CLIP's own is not supported")
        self._tokenizer = tokenizer
        self.start, self.end = int(tokenizer.sot_token_id), int(tokenizer.eot_token_id)
        self.all_special_ids: list[int] = list(tokenizer.all_special_ids)

    def decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids)
        return text

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        """Return each token's text; bytes that are no whole letter by themselves come out as a replacement sign."""
        tokens = []
        within = False
        for token in ids:
            piece = self._tokenizer.decode([token])
            text = piece.removesuffix(" ")
            tokens.append(f"##{text}" if within and text.isalnum() else text)
            within = not piece.endswith(" ")
        return tokens
