"""The decoder: an LSTM that writes a caption word by word, and before each word looks at the picture's grid through a
softmax over its places (the attention map); a gate says how much of what it saw goes into the word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from framesense.models.encoders.efficientnet_lite2 import FEATURE_SIZE

PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL_WORDS = ("<pad>", "<start>", "<end>", "<unk>")


@dataclass(frozen=True)
class DecoderSizes:
    """The shape of the decoder; stored in config.json."""

    vocabulary: int
    features: int = FEATURE_SIZE
    embedding: int = 300
    hidden: int = 512
    attention: int = 128


class Memory(NamedTuple):
    """A picture as the decoder sees it, computed once; R is the number of rows (pictures)."""

    values: Tensor  # R×81×H
    keys: Tensor  # R×81×A


class State(NamedTuple):
    """The LSTM between two words; K captions are written for each of the R rows of the memory."""

    hidden: Tensor  # R×K×H
    cell: Tensor  # R×K×H


class Decoder(nn.Module):
    """One LSTM with additive attention over the annotation vectors and the β gate (Xu et al., 2015, section 3.1).

    In their notation, with a the annotation vectors after one shared linear layer, h the hidden state, E the words:

    - attention:  e_ti = v · tanh(W_a a_i + W_h h_{t-1}),  α_t = softmax(e_t),  z_t = β_t ⊙ Σ_i α_ti a_i   (4.2)
    - gate:       β_t = σ(f_β(h_{t-1})), here a vector, one gate for each of z's numbers
    - LSTM:       gates from E y_{t-1}, h_{t-1} and z_t   (1)-(3);  h_0 and c_0 from the mean annotation vector
    - word:       p(y_t) ∝ exp(Eᵀ(L_h h_t + L_z z_t) + b): their deep output layer (7) with its last matrix tied to E

    All that depends on h_{t-1} alone is one matrix product, and so is all that depends on the previous word.
    """

    def __init__(self, sizes: DecoderSizes, dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        hidden, attention, embedding = sizes.hidden, sizes.attention, sizes.embedding
        self.words = nn.Embedding(sizes.vocabulary, embedding)
        self.annotate = nn.Linear(sizes.features, hidden)
        self.key = nn.Linear(hidden, attention)
        self.start_state = nn.Linear(hidden, 2 * hidden)
        self.from_word = nn.Linear(embedding, 4 * hidden)
        self.from_hidden = nn.Linear(hidden, attention + hidden + 4 * hidden)
        self.from_context = nn.Linear(hidden, 4 * hidden, bias=False)
        self.score = nn.Linear(attention, 1, bias=False)
        self.hidden_to_word = nn.Linear(hidden, embedding)
        self.context_to_word = nn.Linear(hidden, embedding, bias=False)
        self.word_bias = nn.Parameter(torch.zeros(sizes.vocabulary))
        self.dropout = nn.Dropout(dropout)

    def remember(self, features: Tensor) -> Memory:
        """Prepare R×81×1280 annotation vectors for the steps, which attend to them."""
        values = self.dropout(torch.relu(self.annotate(features)))
        return Memory(values, self.key(values))

    def start(self, memory: Memory, width: int = 1) -> State:
        """Return the state before the first word, for ``width`` captions a picture."""
        hidden, cell = torch.tanh(self.start_state(memory.values.mean(1, keepdim=True))).float().chunk(2, dim=-1)
        return State(hidden.expand(-1, width, -1), cell.expand(-1, width, -1))

    def word_gates(self, words: Tensor) -> Tensor:
        """Compute the previous word's part of the LSTM's gates: word ids of any shape → the same shape × 4H."""
        return cast(Tensor, self.from_word(self.dropout(self.words(words))))

    def step(self, memory: Memory, state: State, word_gates: Tensor) -> tuple[State, Tensor, Tensor]:
        """Take one word further; ``word_gates`` is R×K×4H.

        Returns the new state, R×K×H gated contexts z and R×K×81 attention.
        """
        attention, hidden = self.sizes.attention, self.sizes.hidden
        query, beta, gates = self.from_hidden(state.hidden).split([attention, hidden, 4 * hidden], dim=-1)
        energy = self.score(torch.tanh(memory.keys.unsqueeze(1) + query.unsqueeze(2))).squeeze(-1)
        alpha = torch.softmax(energy.float(), dim=-1)
        context = torch.sigmoid(beta) * torch.matmul(alpha.to(memory.values.dtype), memory.values)
        gate_in, forget, out, new = (gates + word_gates + self.from_context(context)).float().chunk(4, dim=-1)
        cell = torch.sigmoid(forget) * state.cell + torch.sigmoid(gate_in) * torch.tanh(new)
        return State(torch.sigmoid(out) * torch.tanh(cell), cell), context, alpha

    def logits(self, hidden: Tensor, context: Tensor) -> Tensor:
        """Score the next word, before the softmax: …×H hidden states and …×H gated contexts → …×V."""
        output = self.hidden_to_word(self.dropout(hidden)) + self.context_to_word(self.dropout(context))
        return nn.functional.linear(self.dropout(output), self.words.weight, self.word_bias)
