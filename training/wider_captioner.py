"""Teach the embedded captioner more of the world: go on from trained weights, with photos of several collections.

    python -m training.wider_captioner --start models/captioner-show-attend-tell --data FLICKR8K COCO --repeats 1 3 \
        --lent OBJECTS --lent-photos 2500 2500 2000 1500 --wide-captions captions.tsv.gz --out models/wider

FLICKR8K and COCO are folders with captions.csv and images/ (see training/data.py); OBJECTS is one that
training/labelled_photos.py made, whose captions are lent and wrong in their details (fewer of them are drawn with every
epoch), or training/consensus_captions.py, whose captions are right more often. About half an hour on a CPU core, once
the features are there:

1. Vocabulary. Words that occur --least-count times in all training captions and that the captioner lacks are added;
   each begins as the mean of the three known words nearest by GloVe, a little less likely than these.
2. Cross-entropy, as in training/show_attend_tell.py, with photos in three views: plain, lightly changed, and tilted,
   cropped and tinted.
3. Self-critical training on FLICKR8K and COCO alike, and on --critic-lent-photos of OBJECTS. How rare a phrase is
   (CIDEr-D) is counted over their captions and a wider corpus (--wide-captions), lest what is common in one collection
   counts as common everywhere. With --agreement, on two views of each photo (training/two_views.py).
4. The mean of the weights after either stage, and of that with the weights it started from, at the share of
   --start-shares that is best on the validation photos: the largest sum of BLEU-4 over the collections among those that
   keep --floor on the first.

Nothing of --leave-out (names of photos) is trained on or chosen by. Each stage's weights stay under --logs.
"""

from __future__ import annotations

import collections
import copy
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from captioner.models.show_attend_tell import Decoder, DecoderSizes, load_decoder, save_decoder
from framesense.models.encoders.efficientnet_lite2 import autocast, load_encoder
from training.caption_batches import Batch
from training.caption_metrics import CiderD, bleu
from training.caption_mixture import VIEWS, Collection, Mixture, wide_corpus
from training.config import parse_recipe
from training.data import IMAGE_SIZE, cached_features, default_cache, glove_vectors, read_photos
from training.self_critical import Reward
from training.show_attend_tell import (
    ShowAttendTellRecipe,
    cosine,
    cross_entropy_loss,
    self_critical_loss,
    write_captions,
)
from training.two_views import two_view_loss

NEIGHBOURS = 3
"""Known words that a new one begins as the mean of."""
UNLIKELIER = 1.0
"""How far a new word's bias lies below theirs."""
WARM_UP = 60
"""Steps."""


@dataclass(frozen=True)
class WiderCaptionerRecipe:
    """The options of the command line."""

    start: Annotated[Path, "the captioner's folder to go on from"]
    data: Annotated[tuple[Path, ...], "folders with captions.csv and images/"]
    out: Annotated[Path, "where the weights go"]
    repeats: Annotated[tuple[int, ...], "how often an epoch sees each of them (once; -n: n of its photos)"] = ()
    lent: Annotated[Path | None, "such a folder with lent captions, seen in the plain view only"] = None
    lent_photos: Annotated[tuple[int, ...], "how many of its photos each epoch draws; then none"] = ()
    wide_captions: Annotated[Path | None, "captions.tsv.gz: source, image and caption, tabs between"] = None
    wide_photos: Annotated[int, "how many photos' captions of it are counted"] = 6000
    leave_out: Annotated[Path | None, "names of photos, one a line, that are neither trained on nor chosen by"] = None
    cache: Annotated[Path | None, "where features are kept (none: in the user's cache)"] = None
    logs: Annotated[Path, "where each stage's weights go"] = Path("runs/wider-captioner")
    least_count: Annotated[int, "rarer words are not added"] = 5
    batch_size: Annotated[int, "photos a step"] = 32
    captions: Annotated[int, "of each photo that a step takes"] = 3
    lr: Annotated[float, "peak learning rate of cross-entropy"] = 6e-4
    epochs: Annotated[int, "of cross-entropy"] = 4
    schedule_epochs: Annotated[int, "after which its learning rate would be least"] = 6
    dropout: Annotated[float, "in cross-entropy"] = 0.4
    ema_decay: Annotated[float, "of the moving average of the weights in cross-entropy"] = 0.997
    word_dropout: Annotated[float, "share of input words hidden as <unk>"] = 0.1
    smoothing: Annotated[float, "of labels"] = 0.1
    attention_weight: Annotated[float, "of the doubly stochastic term"] = 0.02
    critic_steps: Annotated[int, "of self-critical training"] = 130
    critic_lr: Annotated[float, "its peak learning rate"] = 2e-4
    critic_dropout: Annotated[float, "in it"] = 0.2
    critic_ema_decay: Annotated[float, "in it"] = 0.98
    critic_batch_size: Annotated[int, "photos a step in it"] = 32
    critic_lent_photos: Annotated[int, "how many photos with lent captions it draws"] = 0
    agreement: Annotated[float, "weight in the reward of what is drawn for another view of the photo (0: one view)"] = 0
    samples: Annotated[int, "captions drawn for each photo"] = 5
    bleu_weight: Annotated[float, "of BLEU-4 in the reward; CIDEr-D has 1"] = 3.0
    start_shares: Annotated[tuple[float, ...], "shares of the first weights that are tried"] = (
        0.0,
        0.2,
        0.25,
        0.33,
        0.5,
    )
    floor: Annotated[float, "least BLEU-4 on the first collection's validation photos"] = 25.0
    length_penalty: Annotated[float, "of the beam search"] = 0.6
    device: Annotated[str, "where the decoder is trained"] = "cuda" if torch.cuda.is_available() else "cpu"
    threads: Annotated[int, "CPU threads (0: torch decides)"] = 0
    seed: Annotated[int, "of all chance"] = 1


def read_collection(
    recipe: WiderCaptionerRecipe, data: Path, split: str, views: Sequence[str], encoder: nn.Module
) -> Collection:
    """Read one split of a folder, without the photos that are to be left out."""
    left_out = set(recipe.leave_out.read_text("utf-8").split()) if recipe.leave_out else set()
    photos = [photo for photo in read_photos(data, split) if photo.path.name not in left_out]
    features = [cached_features(photos, view, recipe.cache or default_cache(), encoder) for view in views]
    return Collection(features, [photo.captions for photo in photos])


def grow(decoder: Decoder, vocabulary: Sequence[str], added: Sequence[str], dropout: float) -> Decoder:
    """Return the decoder with words added to its vocabulary; all else stays as it is."""
    words = [*vocabulary, *added]
    sizes = DecoderSizes(**{**asdict(decoder.sizes), "vocabulary": len(words)})
    grown, known = Decoder(sizes, dropout), len(vocabulary)
    vectors, found = glove_vectors(words)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    similar = unit[known:] @ unit[:known].T
    similar[:, ~found[:known]] = -1
    state, old = grown.state_dict(), decoder.state_dict()
    for name, tensor in old.items():
        if name not in ("words.weight", "word_bias"):
            state[name].copy_(tensor)
    rows, bias = old["words.weight"], old["word_bias"]
    state["words.weight"][:known], state["word_bias"][:known] = rows, bias
    for place in range(len(added)):
        row = known + place
        if found[row]:
            nearest = np.argsort(-similar[place])[:NEIGHBOURS]
            state["words.weight"][row] = rows[nearest].mean(0) + 0.03 * torch.randn(sizes.embedding)
            state["word_bias"][row] = bias[nearest].mean() - UNLIKELIER
        else:
            state["words.weight"][row] = 0.1 * torch.randn(sizes.embedding)
            state["word_bias"][row] = bias.quantile(0.1)
    grown.load_state_dict(state)
    return grown


def frequent_words(collections_: Sequence[Collection], vocabulary: Sequence[str], least: int) -> list[str]:
    """Return the words of all captions that occur often enough and are not known yet, the most frequent first."""
    counts = collections.Counter(
        word for part in collections_ for captions in part.captions for caption in captions for word in caption
    )
    known = set(vocabulary)
    return [word for word, count in counts.most_common() if count >= least and word not in known]


def train(
    decoder: Decoder,
    batches: Iterable[Batch],
    steps: int,
    horizon: int,
    recipe: WiderCaptionerRecipe,
    reward: Reward | None,
) -> Decoder:
    """Train for ``steps`` batches, self-critically where there is a reward; return the averaged weights.

    ``horizon``: steps after which the learning rate would be least.
    """
    lr, decay = (recipe.lr, recipe.ema_decay) if reward is None else (recipe.critic_lr, recipe.critic_ema_decay)
    device = torch.device(recipe.device)
    losses = ShowAttendTellRecipe(
        data=recipe.start,
        out=recipe.out,
        word_dropout=recipe.word_dropout,
        smoothing=recipe.smoothing,
        attention_weight=recipe.attention_weight,
        samples=recipe.samples,
    )
    decoder.dropout.p = recipe.dropout if reward is None else recipe.critic_dropout
    averaged = copy.deepcopy(decoder).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=lr, weight_decay=1e-2)
    bar = tqdm(batches, total=steps, desc="self-critical" if reward else "cross-entropy", unit="batch", mininterval=10)
    for step, batch in enumerate(bar, 1):
        decoder.train()
        for group in optimiser.param_groups:
            group["lr"] = lr * cosine(WARM_UP, horizon, step - 1)
        batch.features = batch.features.to(device)
        with autocast(device, torch.bfloat16):
            if reward is None:
                loss, figures = cross_entropy_loss(decoder, batch, losses)
            elif recipe.agreement:
                loss, figures = two_view_loss(decoder, batch, reward, recipe.samples, recipe.agreement)
            else:
                loss, figures = self_critical_loss(decoder, batch, reward, losses)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            for slow, fast in zip(averaged.parameters(), decoder.parameters(), strict=True):
                slow.lerp_(fast, 1 - min(decay, (1 + step) / (10 + step)))
        bar.set_postfix({name: f"{value:.3f}" for name, value in figures.items()}, refresh=False)
    return averaged


def mean_of(first: Decoder, second: Decoder, share: float) -> Decoder:
    """Return the mean of two decoders' weights, ``share`` of the first."""
    mixed, other = copy.deepcopy(second), first.state_dict()
    with torch.no_grad():
        for name, tensor in mixed.state_dict().items():
            tensor.lerp_(other[name].to(tensor.device), share)
    return mixed


def validation_bleu(
    recipe: WiderCaptionerRecipe, decoder: Decoder, vocabulary: Sequence[str], held_out: Sequence[Collection]
) -> list[float]:
    """Return BLEU-4 on each collection's validation photos."""
    found = []
    for part in held_out:
        device = torch.device(recipe.device)
        written = write_captions(decoder.eval(), part.features[0], vocabulary, device, recipe.length_penalty)
        found.append(bleu(part.captions, written)[3])
        cider = CiderD(part.captions).score(part.captions, written)
        print(f"  BLEU-4 {found[-1]:.2f}, CIDEr-D {cider:.3f}", flush=True)
    return found


def choose_share(
    recipe: WiderCaptionerRecipe,
    first: Decoder,
    last: Decoder,
    vocabulary: Sequence[str],
    held_out: Sequence[Collection],
) -> Decoder:
    """Return the mean of first and last weights that is best on the validation photos; the module says how."""
    scores: dict[float, list[float]] = {}
    for share in recipe.start_shares:
        print(f"share {share} of the first weights:", flush=True)
        scores[share] = validation_bleu(recipe, mean_of(first, last, share), vocabulary, held_out)
    kept = [share for share in scores if scores[share][0] >= recipe.floor] or [max(scores, key=lambda s: scores[s][0])]
    best = max(kept, key=lambda share: sum(scores[share]))
    print(f"share {best}: {scores[best]}")
    return mean_of(first, last, best)


def save(recipe: WiderCaptionerRecipe, folder: Path, decoder: Decoder, vocabulary: Sequence[str]) -> None:
    """Write a decoder as the captioner reads it."""
    save_decoder(folder, decoder, vocabulary, image_size=IMAGE_SIZE, length_penalty=recipe.length_penalty)


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(WiderCaptionerRecipe, __doc__, argv)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    chance, device = random.Random(recipe.seed), torch.device(recipe.device)

    # data
    encoder = load_encoder().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    collected = [read_collection(recipe, data, "train", VIEWS, encoder) for data in recipe.data]
    held_out = [read_collection(recipe, data, "val", VIEWS[:1], encoder) for data in recipe.data]
    lent = [read_collection(recipe, recipe.lent, "train", VIEWS[:1], encoder)] if recipe.lent else []
    old, vocabulary, _ = load_decoder(recipe.start)
    added = frequent_words([*collected, *lent], vocabulary, recipe.least_count)
    words = [*vocabulary, *added]
    index = {word: place for place, word in enumerate(words)}
    mixture = Mixture([*collected, *lent], index)
    print(f"{sum(len(part.captions) for part in mixture.parts)} photos, {len(added)} words added to {len(vocabulary)}")

    # model
    first = grow(old, vocabulary, added, recipe.dropout).to(device)
    repeats = recipe.repeats or (1,) * len(collected)

    # cross-entropy
    per_epoch = [
        [*repeats, *(-recipe.lent_photos[epoch] if epoch < len(recipe.lent_photos) else 0 for _ in lent)]
        for epoch in range(recipe.schedule_epochs)
    ]
    epochs = [mixture.epoch(times, recipe.batch_size, chance) for times in per_epoch]
    horizon, steps = sum(map(len, epochs)), sum(map(len, epochs[: recipe.epochs]))
    batches = (mixture.batch(items, recipe.captions, chance) for epoch in epochs[: recipe.epochs] for items in epoch)
    taught = train(copy.deepcopy(first), batches, steps, horizon, recipe, None)
    save(recipe, recipe.logs / "cross-entropy", taught, words)
    validation_bleu(recipe, taught, words, held_out)

    # self-critical
    truths = [captions for part in mixture.ids for captions in part]
    reward = Reward(truths, recipe.bleu_weight)
    if recipe.wide_captions:
        left_out = set(recipe.leave_out.read_text("utf-8").split()) if recipe.leave_out else set()
        reward.count_in(truths + wide_corpus(recipe.wide_captions, recipe.wide_photos, index, left_out, chance))
    times = [*repeats, *(-recipe.critic_lent_photos for _ in lent)]
    plan = mixture.epoch(times, recipe.critic_batch_size, chance)[: recipe.critic_steps]
    batches = (
        mixture.pairs(items, chance) if recipe.agreement else mixture.batch(items, recipe.captions, chance)
        for items in plan
    )
    learner = copy.deepcopy(taught).requires_grad_(True)
    rewarded = train(learner, batches, len(plan), len(plan), recipe, reward)
    save(recipe, recipe.logs / "self-critical", rewarded, words)

    # mean
    final = choose_share(recipe, first.eval(), mean_of(taught, rewarded, 0.5), words, held_out)
    save(recipe, recipe.out, final, words)
    print(f"weights in {recipe.out}")


if __name__ == "__main__":
    main()
