"""From a picture's annotation vectors to a caption as word ids: greedy search and beam search."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from captioner.models.show_attend_tell.decoder import END, PAD, START, UNKNOWN, Decoder, Memory, State


class SearchResult(NamedTuple):
    """One caption as ids, with what was recorded while it was written."""

    words: list[int]
    log_probabilities: list[float]  # one for each word, and one more for <end> unless cut off
    score: float
    attention: Tensor | None  # T×81


def _word_log_probabilities(logits: Tensor, first: bool) -> tuple[Tensor, Tensor]:
    """Compute log-probabilities over the whole vocabulary, and the same with what may not be written at -inf.

    ``logits``: …×V.
    """
    log_probabilities = torch.log_softmax(logits.float(), dim=-1)
    allowed = log_probabilities.clone()
    allowed[..., [PAD, START, UNKNOWN]] = -torch.inf
    if first:
        allowed[..., END] = -torch.inf  # a caption has at least one word
    return log_probabilities, allowed


def greedy_search(decoder: Decoder, memory: Memory, max_tokens: int, length_penalty: float) -> list[SearchResult]:
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
        found.append(SearchResult(written[:length], logs, score, all_maps[row, :length]))
    return found


def beam_search(
    decoder: Decoder, memory: Memory, beams: int, max_tokens: int, length_penalty: float, attention: bool = False
) -> list[SearchResult]:
    """Find the best finished caption of each picture by beam search, batched over pictures.

    score = Σ log p / (number of terms ** length_penalty), <end> counted as a term (Wu et al., 2016, section 7, with the
    plain power instead of their ((5 + n) / 6)). Each step extends the ``beams`` likeliest unfinished captions of a
    picture; an extension by <end> among the ``beams`` best goes to the finished ones. A picture is done when it has
    ``beams`` finished captions or when no unfinished one can score better any more; the batch stops when all are. A
    caption that reaches ``max_tokens`` unfinished competes as it stands, if its picture has no finished one.
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
    finished: list[list[SearchResult]] = [[] for _ in range(rows)]
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
                finished[row].append(SearchResult(history[row, beam].tolist(), record, score, kept))
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
            ends.append(
                SearchResult(history[row, 0].tolist(), record, sum(record) / len(record) ** length_penalty, kept)
            )
    return [max(ends, key=lambda caption: caption.score) for ends in finished]
