"""GIT (Wang et al., 2022, arXiv:2205.14100), for instance ``microsoft/git-base-coco``: one transformer reads the
picture's patches and goes on with the words. Between ViT-GPT2 and BLIP in size and quality; knows some names.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from captioner.models.from_transformers import TransformersCaptioner
from captioner.models.generating import EncodedImages, grid_of
from framesense.models.pretrained import Pretrained
from framesense.models.torch_compat import prepare_torchvision


class _PrecomputedImages(nn.Module):
    """Stand in for GIT's image encoder, which transformers would call again for every beam and every pass.

    Takes the encoder's states, B × 1 × N × D, as if they were a picture.
    """

    def forward(self, pixel_values: Tensor, **options: object) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=pixel_values.squeeze(1))


class Git(TransformersCaptioner):
    @classmethod
    def load(cls, files: Pretrained, device: torch.device, dtype: torch.dtype) -> Self:
        """Load a model of this family.

        Raises OSError or ValueError where it cannot be had or is no GIT.
        """
        prepare_torchvision()
        from transformers import GitForCausalLM

        model = files.model(GitForCausalLM, device, dtype)
        git = cls(
            files,
            model,
            image_size=model.config.vision_config.image_size,
            dtype=dtype,
            stop=[model.config.eos_token_id],
        )
        git._encoder, model.git.image_encoder = model.git.image_encoder, _PrecomputedImages()
        return git

    _encoder: nn.Module

    def encode(self, pixels: Tensor) -> EncodedImages:
        states: Tensor = self._encoder(pixels).last_hidden_state
        return EncodedImages(states, grid_of(states))

    def generate(self, encoded: EncodedImages, beams: int, max_tokens: int) -> Tensor:
        config = self.model.config
        generated: Tensor = self.model.generate(
            input_ids=self.starts(len(encoded.states), config.bos_token_id),
            pixel_values=encoded.states.unsqueeze(1),
            num_beams=beams,
            do_sample=False,
            max_new_tokens=max_tokens,
            min_new_tokens=1,
            eos_token_id=config.eos_token_id,
            pad_token_id=config.pad_token_id,
        )
        return generated[:, 1:]

    def score(self, encoded: EncodedImages, generated: Tensor) -> Tensor:
        begun = torch.cat([self.starts(len(generated), self.model.config.bos_token_id), generated[:, :-1]], dim=1)
        logits: Tensor = self.model(input_ids=begun, pixel_values=encoded.states.unsqueeze(1), use_cache=False).logits
        return logits[:, -generated.shape[1] :]

    @property
    def embeddings(self) -> Tensor:
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight
