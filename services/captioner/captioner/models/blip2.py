"""BLIP-2 (Li et al., 2023, arXiv:2301.12597), for instance ``Salesforce/blip2-opt-2.7b`` or ``blip2-flan-t5-xl``.

A frozen vision transformer, a small Q-Former that asks it 32 questions, and a frozen language model (OPT, or T5) that
writes from the answers. The most fluent captions of the families here, and by far the largest: for a GPU of 16 GB.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from captioner.models.from_transformers import TransformersCaptioner
from captioner.models.generating import EncodedImages, grid_of
from framesense.models.pretrained import Pretrained
from framesense.models.torch_compat import prepare_torchvision


class Blip2(TransformersCaptioner):
    @classmethod
    def load(cls, files: Pretrained, device: torch.device, dtype: torch.dtype) -> Self:
        """Load a model of this family.

        Raises OSError or ValueError where it cannot be had or is no BLIP-2.
        """
        prepare_torchvision()
        from transformers import Blip2ForConditionalGeneration

        model = files.model(Blip2ForConditionalGeneration, device, dtype)
        return cls(
            files,
            model,
            image_size=model.config.vision_config.image_size,
            dtype=dtype,
            stop=_ends(model),
        )

    def encode(self, pixels: Tensor) -> EncodedImages:
        found = self.model.get_image_features(pixels)
        return EncodedImages(found.pooler_output, grid_of(found.last_hidden_state))

    def generate(self, encoded: EncodedImages, beams: int, max_tokens: int) -> Tensor:
        config = self.model.config.text_config
        prefix = self._prefix(encoded)
        generated: Tensor = self.model.language_model.generate(
            inputs_embeds=prefix,
            attention_mask=torch.ones(prefix.shape[:2], dtype=torch.long, device=self.device),
            num_beams=beams,
            do_sample=False,
            max_new_tokens=max_tokens,
            min_new_tokens=1,
            eos_token_id=_ends(self.model),
            pad_token_id=config.pad_token_id,
        )
        return generated if self._decoder_only else generated[:, 1:]

    def score(self, encoded: EncodedImages, generated: Tensor) -> Tensor:
        prefix, language = self._prefix(encoded), self.model.language_model
        if self._decoder_only:
            begun = torch.cat([prefix, language.get_input_embeddings()(generated[:, :-1])], dim=1)
            logits: Tensor = language(inputs_embeds=begun, use_cache=False).logits[:, prefix.shape[1] - 1 :]
            return logits
        start = self.starts(len(generated), self.model.config.text_config.decoder_start_token_id)
        begun = torch.cat([start, generated[:, :-1]], dim=1)
        answers: Tensor = language(inputs_embeds=prefix, decoder_input_ids=begun, use_cache=False).logits
        return answers

    @property
    def embeddings(self) -> Tensor:
        weight: Tensor = self.model.language_model.get_input_embeddings().weight
        return weight

    @property
    def _decoder_only(self) -> bool:
        return bool(self.model.config.use_decoder_only_language_model)

    def _prefix(self, encoded: EncodedImages) -> Tensor:
        """Return the Q-Former's answers, then what follows them in training.

        That is a start token for OPT, and the end of an empty prompt for T5.
        """
        config = self.model.config.text_config
        token = config.bos_token_id if self._decoder_only else config.eos_token_id
        start = self.model.language_model.get_input_embeddings()(self.starts(len(encoded.states), token))
        return torch.cat([encoded.states.to(start.dtype), start], dim=1)


def _ends(model: Any) -> list[int]:
    """List the tokens that end a caption.

    The published OPT ones end it with a line break, which only their generation settings say.
    """
    ends = model.generation_config.eos_token_id or model.config.text_config.eos_token_id
    return list(ends) if isinstance(ends, list) else [int(ends)]
