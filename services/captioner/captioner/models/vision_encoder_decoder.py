"""A vision transformer and a language model with cross-attention (transformers' VisionEncoderDecoder), for instance
``nlpconnect/vit-gpt2-image-captioning``: small and quick, plain captions in the manner of COCO.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from captioner.models.from_transformers import TransformersCaptioner
from captioner.models.generating import EncodedImages, grid_of
from framesense.models.pretrained import Pretrained
from framesense.models.torch_compat import prepare_torchvision


class VisionEncoderDecoder(TransformersCaptioner):
    @classmethod
    def load(cls, files: Pretrained, device: torch.device, dtype: torch.dtype) -> Self:
        """Load a model of this family.

        Raises OSError or ValueError where it cannot be had or is no such model.
        """
        prepare_torchvision()
        from transformers import VisionEncoderDecoderModel

        model = files.model(VisionEncoderDecoderModel, device, dtype)
        return cls(
            files,
            model,
            dtype=dtype,
            stop=[model.config.eos_token_id or model.config.decoder.eos_token_id],
        )

    def encode(self, pixels: Tensor) -> EncodedImages:
        states: Tensor = self.model.encoder(pixel_values=pixels).last_hidden_state
        return EncodedImages(states, grid_of(states))

    def generate(self, encoded: EncodedImages, beams: int, max_tokens: int) -> Tensor:
        from transformers.modeling_outputs import BaseModelOutput

        from captioner.models.beams import PictureCache

        (end,) = self._stop
        config = self.model.config
        generated: Tensor = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded.states),
            past_key_values=PictureCache(),
            num_beams=beams,
            do_sample=False,
            max_new_tokens=max_tokens,
            min_new_tokens=1,
            decoder_start_token_id=self._start,
            eos_token_id=end,
            pad_token_id=end if config.pad_token_id is None else config.pad_token_id,
        )
        return generated[:, 1:]

    def score(self, encoded: EncodedImages, generated: Tensor) -> Tensor:
        begun = torch.cat([self.starts(len(generated), self._start), generated[:, :-1]], dim=1)
        logits: Tensor = self.model(encoder_outputs=(encoded.states,), decoder_input_ids=begun, use_cache=False).logits
        return logits

    @property
    def embeddings(self) -> Tensor:
        weight: Tensor = self.model.decoder.get_input_embeddings().weight
        return weight

    @property
    def _start(self) -> int:
        config = self.model.config
        found = config.decoder_start_token_id
        return int(config.decoder.bos_token_id if found is None else found)
