"""Self-critical sequence training: learn from the captions the model writes itself (Rennie et al., 2017).

Cross-entropy teaches the next word after a human's words; at run time the model goes on from its own. Here it samples
several captions of each photo, each is rewarded by what it is judged by in the end (CIDEr-D and BLEU-4 against the
humans'), and made more likely if it was better than the mean of the *other* samples of that photo, which needs no
extra pass (Luo, 2020, "A better variant of self-critical sequence training", arXiv:2003.09971).

Rewards count <end> as a word, so that a caption that stops in the middle ("a dog runs through a") loses.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from captioner.models.show_attend_tell import END, PAD, START, UNKNOWN, Decoder, Memory
from training.caption_metrics import CiderD, ngram_counts, sentence_bleu4


class Reward:
    """CIDEr-D (against document frequencies of all photos given) plus ``bleu_weight`` × BLEU-4, for ids with <end>."""

    def __init__(self, photos: Sequence[Sequence[list[int]]], bleu_weight: float) -> None:
        self.bleu_weight, self._truths = bleu_weight, photos
        self.cider = CiderD(photos)
        self.vectors = [[self.cider.vector(caption) for caption in captions] for captions in photos]
        self.counts = [[ngram_counts(caption) for caption in captions] for captions in photos]
        self.lengths = [[len(caption) for caption in captions] for captions in photos]

    def count_in(self, photos: Sequence[Sequence[list[int]]]) -> None:
        """Count how rare a phrase is over these photos' captions instead."""
        self.cider = CiderD(photos)
        self.vectors = [[self.cider.vector(caption) for caption in captions] for captions in self._truths]

    def __call__(self, photo: int, caption: list[int]) -> float:
        """Compute the reward of a caption of the photo with this index; ``caption`` holds its <end>, if it has one."""
        cider = self.cider.similarity(self.cider.vector(caption), self.vectors[photo])
        return cider + self.bleu_weight * sentence_bleu4(caption, self.counts[photo], self.lengths[photo])


@torch.no_grad()
def sample(decoder: Decoder, memory: Memory, width: int, max_tokens: int) -> list[list[list[int]]]:
    """Draw ``width`` captions of each picture from the model; those that ended hold their <end>."""
    state = decoder.start(memory, width)
    word = torch.full(state.hidden.shape[:2], START, device=state.hidden.device)
    ended = torch.zeros_like(word, dtype=torch.bool)
    words = []
    for position in range(max_tokens + 1):
        state, context, _ = decoder.step(memory, state, decoder.word_gates(word))
        logits = decoder.logits(state.hidden, context).float()
        logits[..., [PAD, START, UNKNOWN]] = -torch.inf
        if position == 0:
            logits[..., END] = -torch.inf
        word = torch.multinomial(torch.softmax(logits, dim=-1).flatten(0, 1), 1).view(word.shape)
        words.append(word)
        ended |= word == END
        if bool(ended.all()):
            break
    drawn: list[list[list[int]]] = torch.stack(words, dim=-1).tolist()
    return [[caption[: caption.index(END) + 1] if END in caption else caption for caption in row] for row in drawn]


def advantages(rewards: Tensor) -> Tensor:
    """Compute how much better each of B×W samples is than the mean of the others of its picture."""
    width = rewards.shape[1]
    others = (rewards.sum(1, keepdim=True) - rewards) / (width - 1)
    return rewards - others
