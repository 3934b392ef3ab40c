"""Florence-2 (Xiao et al., 2023, arXiv:2311.06242), for instance ``florence-community/Florence-2-base``: a compact
vision-language model (0.2 or 0.8 billion weights) that does many tasks by a prompt; here it is asked for a caption.

Loaded by transformers' own code: repositories that bring code of their own (``microsoft/Florence-2-*``) are not needed.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor

from captioner.models.from_transformers import TransformersCaptioner
from captioner.models.generating import EncodedImages
from framesense.models.pretrained import Pretrained
from framesense.models.torch_compat import prepare_torchvision

PROMPT = "What does the image describe?"
"""The task token <CAPTION> stands for these words."""


class Florence2(TransformersCaptioner):
    usual_image_size = 768

    @classmethod
    def load(cls, files: Pretrained, device: torch.device, dtype: torch.dtype) -> Self:
        """Load a model of this family.

        Raises OSError or ValueError where it cannot be had or is no Florence-2.
        """
        prepare_torchvision()
        from transformers import Florence2ForConditionalGeneration

        model = files.model(Florence2ForConditionalGeneration, device, dtype)
        return cls(
            files,
            model,
            dtype=dtype,
            stop=[model.config.text_config.eos_token_id],
        )

    def compile(self, largest: int, **options: Any) -> None:
        """Raise ValueError: this model is not worth compiling.

        Its encoder of pictures is many small windows, which take far longer to compile than they are worth, and its
        prompt is read along with the picture.
        """
        raise ValueError("Florence-2 is not compiled; set CAPTIONER_COMPILE=false")

    def encode(self, pixels: Tensor) -> EncodedImages:
        """Encode pictures; the states are the text encoder's, over the picture and the prompt."""
        found = self.model.get_image_features(pixels)
        prompt = self.tokenizer(PROMPT, return_tensors="pt").input_ids.to(self.device).expand(len(pixels), -1)
        embedded = self.model.get_input_embeddings()(prompt)
        read = torch.cat([found.pooler_output.to(embedded.dtype), embedded], dim=1)
        return EncodedImages(self.model.model.language_model.encoder(inputs_embeds=read)[0], found.last_hidden_state)

    def generate(self, encoded: EncodedImages, beams: int, max_tokens: int) -> Tensor:
        from captioner.models.beams import PictureCache

        config = self.model.config.text_config
        generated: Tensor = self.model.generate(
            encoder_outputs=self._encoder_output(encoded),
            past_key_values=PictureCache(),
            num_beams=beams,
            do_sample=False,
            max_new_tokens=max_tokens,
            min_new_tokens=1,
            decoder_start_token_id=config.decoder_start_token_id,
            eos_token_id=config.eos_token_id,
            pad_token_id=config.pad_token_id,
        )
        return generated[:, 1:]

    def score(self, encoded: EncodedImages, generated: Tensor) -> Tensor:
        start = self.starts(len(generated), self.model.config.text_config.decoder_start_token_id)
        begun = torch.cat([start, generated[:, :-1]], dim=1)
        states = self._encoder_output(encoded)
        logits: Tensor = self.model(encoder_outputs=states, decoder_input_ids=begun, use_cache=False).logits
        return logits

    @property
    def embeddings(self) -> Tensor:
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight

    def _encoder_output(self, encoded: EncodedImages) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=encoded.states)
