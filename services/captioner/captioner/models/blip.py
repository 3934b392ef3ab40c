"""BLIP (Li et al., 2022, arXiv:2201.12086) from Hugging Face, for instance ``Salesforce/blip-image-captioning-base``.

A vision transformer reads the picture, a BERT-like decoder with cross-attention writes the caption. Better captions
than the embedded model's, at some 30 times the cost: prefer it where there is a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor

from captioner.models.from_transformers import TransformersCaptioner
from captioner.models.generating import EncodedImages, grid_of
from framesense.models.pretrained import Pretrained
from framesense.models.torch_compat import prepare_torchvision


class Blip(TransformersCaptioner):
    @classmethod
    def load(cls, files: Pretrained, device: torch.device, dtype: torch.dtype) -> Self:
        """Load a model of this family.

        Raises OSError or ValueError where it cannot be had or is no BLIP captioner.
        """
        prepare_torchvision()
        from transformers import BlipForConditionalGeneration

        model = files.model(BlipForConditionalGeneration, device, dtype)
        return cls(
            files,
            model,
            image_size=model.config.vision_config.image_size,
            dtype=dtype,
            stop=[model.config.text_config.sep_token_id],
        )

    def encode(self, pixels: Tensor) -> EncodedImages:
        states: Tensor = self.model.vision_model(pixel_values=pixels)[0]
        return EncodedImages(states, grid_of(states))

    def generate(self, encoded: EncodedImages, beams: int, max_tokens: int) -> Tensor:
        from captioner.models.beams import PictureCache

        config = self.model.config.text_config
        generated: Tensor = self.model.text_decoder.generate(
            input_ids=self.starts(len(encoded.states), config.bos_token_id),
            encoder_hidden_states=encoded.states,
            past_key_values=PictureCache(self._keys_values(encoded), beams),
            num_beams=beams,
            do_sample=False,
            max_new_tokens=max_tokens,
            min_new_tokens=1,
            bos_token_id=config.bos_token_id,
            eos_token_id=config.sep_token_id,
            pad_token_id=config.pad_token_id,
        )
        return generated[:, 1:]

    def score(self, encoded: EncodedImages, generated: Tensor) -> Tensor:
        begun = torch.cat([self.starts(len(generated), self.model.config.text_config.bos_token_id), generated], dim=1)
        logits: Tensor = self.model.text_decoder(
            input_ids=begun[:, :-1], encoder_hidden_states=encoded.states, use_cache=False
        ).logits
        return logits

    def _keys_values(self, encoded: EncodedImages) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each decoder layer's keys and values of the picture: B × heads × places × D.

        Left to itself, the decoder makes them for each beam of a picture.
        """
        for layer in self.model.text_decoder.bert.encoder.layer:
            attention = layer.crossattention.self
            shape = (*encoded.states.shape[:2], attention.num_attention_heads, attention.attention_head_size)
            keys, values = attention.key(encoded.states), attention.value(encoded.states)
            yield keys.view(shape).transpose(1, 2), values.view(shape).transpose(1, 2)

    @property
    def embeddings(self) -> Tensor:
        weight: Tensor = self.model.text_decoder.get_input_embeddings().weight
        return weight
