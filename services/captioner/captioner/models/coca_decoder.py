"""Beam search for CoCa, by transformers' ``generate``.

Imports transformers: only from within a function, after ``prepare_torchvision``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

Logits = Callable[[Tensor, Tensor], Tensor]
"""A picture's states, B × N × D, and the ids so far, B × T → B × T × vocabulary."""


class CocaDecoder(PreTrainedModel, GenerationMixin):  # type: ignore[misc, no-untyped-call, unused-ignore]
    """Generate captions with ``generate(input_ids, picture=…)``; holds no weights of its own."""

    config_class = PretrainedConfig
    main_input_name = "input_ids"

    def __init__(self, logits: Logits, vocabulary: int, device: torch.device) -> None:
        config: Any = PretrainedConfig
        super().__init__(config(vocab_size=vocabulary, is_encoder_decoder=False, use_cache=False))
        self._logits = logits
        self._device = device

    @property
    def device(self) -> torch.device:
        return self._device

    def forward(
        self, input_ids: Tensor, picture: Tensor, attention_mask: Tensor | None = None, **kwargs: Any
    ) -> CausalLMOutput:
        # The mask, which `generate` insists on, says nothing: no caption has padding before its end.
        return CausalLMOutput(logits=self._logits(picture, input_ids))

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, picture: Tensor, **kwargs: Any
    ) -> dict[str, Any]:
        return {"input_ids": input_ids, "picture": picture}
