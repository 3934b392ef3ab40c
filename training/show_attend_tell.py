"""Train the embedded captioner: Show, Attend and Tell on a frozen EfficientNet-Lite2.

    python -m training.show_attend_tell --data DIR --out models/captioner-show-attend-tell

DIR holds captions.csv and images/ (see training/data.py). Uses CUDA where there is one, else the CPU in bf16 autocast.
Three stages:

1. Features. Each training photo goes through the encoder four times: plain, mirrored, and tilted / cropped / tinted
   from either. Kept on disk (--cache, about 1.2 GB a view), so the encoder runs once in all.
2. Cross-entropy (--epochs) with label smoothing, the doubly stochastic attention term of Xu et al. (2015, 4.2.1),
   gradient clipping and a cosine schedule. What is evaluated is an exponential moving average of the weights.
3. Self-critical training (--self-critical-epochs): the reward is CIDEr-D and BLEU-4, see training/self_critical.py.

After each epoch the averaged weights caption the validation photos (beam 4); the best by BLEU-4 are written to --out,
and a stage ends early when --patience epochs brought nothing better. At the end the length penalty of the beam search
is chosen, on the same photos. Each epoch is a checkpoint: the same command goes on where it stopped. Each epoch's
weights stay under --logs (for training/average.py), beside the TensorBoard files.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from captioner.models.show_attend_tell import (
    END,
    PAD,
    START,
    UNKNOWN,
    Decoder,
    DecoderSizes,
    Memory,
    beam_search,
    load_decoder,
    save_decoder,
)
from framesense.models.encoders.efficientnet_lite2 import autocast, load_encoder
from training.caption_batches import TRAIN_VIEWS, Batch, Photos
from training.caption_metrics import CiderD, bleu
from training.config import parse_recipe
from training.data import (
    IMAGE_SIZE,
    build_vocabulary,
    cached_features,
    default_cache,
    glove_vectors,
    mirror,
    read_photos,
    to_ids,
)
from training.self_critical import Reward, advantages, sample

LENGTH_PENALTIES = (0.6, 0.8, 1.0, 1.2)
LONGEST = 17  # words of a caption, <end> included, that are trained on; 93 % are no longer


@dataclass(frozen=True)
class ShowAttendTellRecipe:
    """The options of the command line."""

    data: Annotated[Path, "folder with captions.csv and images/"]
    out: Annotated[Path, "where the best weights go"]
    cache: Annotated[Path | None, "where features are kept; by default the training cache"] = None
    logs: Annotated[Path, "TensorBoard and checkpoint"] = Path("runs/show-attend-tell")
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    threads: Annotated[int, "CPU threads (0: torch decides)"] = 0
    seed: int = 1

    least_count: Annotated[int, "rarer words become <unk>"] = 4
    embedding: Annotated[int, "size of a word's embedding"] = 300
    hidden: Annotated[int, "size of the LSTM's state"] = 512
    attention: Annotated[int, "size of the attention's hidden layer"] = 128
    dropout: float = 0.4

    batch_size: Annotated[int, "photos; each comes with all its captions"] = 32
    epochs: int = 10
    lr: Annotated[float, "peak learning rate"] = 1e-3
    weight_decay: float = 1e-2
    smoothing: Annotated[float, "of the labels"] = 0.1
    attention_weight: Annotated[float, "of the doubly stochastic term"] = 0.02
    word_dropout: Annotated[float, "share of input words hidden as <unk>"] = 0.1
    ema_decay: Annotated[float, "decay of the weights' moving average, a step"] = 0.998
    patience: Annotated[int, "epochs without anything better before a stage ends"] = 4

    self_critical_epochs: int = 5
    self_critical_lr: float = 1.5e-4
    self_critical_dropout: float = 0.4
    samples: Annotated[int, "captions drawn for each photo"] = 5
    bleu_weight: Annotated[float, "of BLEU-4 in the reward; CIDEr-D has 1"] = 5.0


# --------------------------------------------------------------------------------------------------------------- loss


@dataclass
class Written:
    """What the decoder says to given captions: one entry for each word and <end> of each, in the order of ``mask``."""

    logits: Tensor  # N×V
    targets: Tensor  # N
    mask: Tensor  # B×K×T: which places of the grid hold a word; N of them do
    looked: Tensor  # B×K×81: attention summed over the words


def write(
    decoder: Decoder, memory: Memory, captions: Sequence[Sequence[list[int]]], hidden_words: float = 0.0
) -> Written:
    """Run the decoder along captions[photo][k]: ids that hold their <end>, if they have one.

    The captions of a photo share its memory (a grid of B photos × K captions); words are predicted only where there
    are any.
    """
    width, longest = max(map(len, captions)), max(len(text) for texts in captions for text in texts)
    grid = torch.zeros(len(captions), width, longest, dtype=torch.long)
    for row, texts in enumerate(captions):
        for k, text in enumerate(texts):
            grid[row, k, : len(text)] = torch.tensor(text)
    words = grid.to(memory.values.device)
    mask = words != PAD
    inputs = torch.cat([torch.full_like(words[..., :1], START), words[..., :-1]], dim=-1)
    if hidden_words:
        inputs[(torch.rand(inputs.shape, device=inputs.device) < hidden_words) & (inputs != START)] = UNKNOWN
    gates = decoder.word_gates(inputs).unbind(2)
    state = decoder.start(memory, width)
    hiddens, contexts, maps = [], [], []
    for position in range(longest):
        state, context, alpha = decoder.step(memory, state, gates[position])
        hiddens.append(state.hidden)
        contexts.append(context)
        maps.append(alpha)
    logits = decoder.logits(torch.stack(hiddens, 2)[mask], torch.stack(contexts, 2)[mask]).float()
    looked = (torch.stack(maps, 2) * mask.unsqueeze(-1)).sum(2)
    return Written(logits, words[mask], mask, looked)


def cross_entropy_loss(decoder: Decoder, batch: Batch, recipe: ShowAttendTellRecipe) -> tuple[Tensor, dict[str, float]]:
    """Compute the label-smoothed cross-entropy a word, and λ Σ_i (T/81 - Σ_t α_ti)² a caption.

    The second term makes the model look everywhere about equally.
    """
    written = write(decoder, decoder.remember(batch.features), batch.captions, recipe.word_dropout)
    entropy = nn.functional.cross_entropy(written.logits, written.targets, label_smoothing=recipe.smoothing)
    due = written.mask.sum(-1, keepdim=True) / written.looked.shape[-1]
    stochastic = (due - written.looked).square().sum(-1).mean()
    with torch.no_grad():
        plain = nn.functional.cross_entropy(written.logits, written.targets)
    figures = {"cross-entropy": float(plain), "attention": float(stochastic.detach())}
    return entropy + recipe.attention_weight * stochastic, figures


def self_critical_loss(
    decoder: Decoder, batch: Batch, reward: Reward, recipe: ShowAttendTellRecipe
) -> tuple[Tensor, dict[str, float]]:
    """Compute - Σ advantage · log p(sampled caption), a word of all samples; samples are drawn without dropout."""
    decoder.eval()
    with torch.no_grad():
        drawn = sample(decoder, decoder.remember(batch.features), recipe.samples, LONGEST - 1)
    decoder.train()
    rewards = torch.tensor(
        [[reward(photo, text) for text in texts] for photo, texts in zip(batch.photos, drawn, strict=True)]
    )
    better = advantages(rewards)
    better = better / better.std().clamp_min(1e-3)
    written = write(decoder, decoder.remember(batch.features), drawn)
    weights = better.to(written.mask.device).unsqueeze(-1).expand(written.mask.shape)[written.mask]
    log_probabilities = -nn.functional.cross_entropy(written.logits, written.targets, reduction="none")
    loss = -(weights * log_probabilities).mean()
    return loss, {"reward": float(rewards.mean()), "sample length": float(written.mask.sum(-1).float().mean())}


# --------------------------------------------------------------------------------------------------------- evaluation


@torch.inference_mode()
def write_captions(
    decoder: Decoder, features: NDArray[np.float16], vocabulary: Sequence[str], device: torch.device, penalty: float
) -> list[list[str]]:
    """Caption cached features by beam search (4 beams)."""
    captions: list[list[str]] = []
    for start in range(0, len(features), 32):
        batch = torch.from_numpy(np.array(features[start : start + 32])).to(device).float()
        found = beam_search(decoder, decoder.remember(batch), 4, 24, penalty)
        captions.extend([vocabulary[word] for word in caption.words] for caption in found)
    return captions


# -------------------------------------------------------------------------------------------------------------- recipe


def cosine(warm_up: int, steps: int, step: int) -> float:
    """Compute the factor of the learning rate.

    It rises over ``warm_up`` steps, and falls along a cosine to 2 % after ``steps``.
    """
    return min(1.0, (step + 1) / warm_up) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(1.0, step / steps))))


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(ShowAttendTellRecipe, __doc__, argv)
    cache = recipe.cache or default_cache()
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    device = torch.device(recipe.device)

    # data
    train, held_out = read_photos(recipe.data, "train"), read_photos(recipe.data, "val")
    vocabulary = build_vocabulary(train, recipe.least_count)
    index = {word: place for place, word in enumerate(vocabulary)}
    encoder = load_encoder().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    photos = Photos(
        [cached_features(train, view, cache, encoder) for view in TRAIN_VIEWS],
        [
            [[[*to_ids(turn(caption), index), END][:LONGEST] for caption in photo.captions] for photo in train]
            for turn in (list, mirror)
        ],
    )
    held_out_features = cached_features(held_out, "plain", cache, encoder)
    references = [photo.captions for photo in held_out]
    cider = CiderD(references)
    print(f"{len(train)} photos to train on, {len(held_out)} to choose by, {len(vocabulary)} words")

    # model; the first 50 numbers of each word's embedding begin as its GloVe vector
    decoder = Decoder(
        DecoderSizes(len(vocabulary), embedding=recipe.embedding, hidden=recipe.hidden, attention=recipe.attention),
        recipe.dropout,
    )
    with torch.no_grad():
        nn.init.normal_(decoder.words.weight, std=0.1)
        vectors, known = glove_vectors(vocabulary)
        scaled = torch.from_numpy(vectors[known] / vectors[known].std() * 0.1)
        decoder.words.weight[torch.from_numpy(known), : scaled.shape[1]] = scaled
    decoder.to(device)
    averaged = copy.deepcopy(decoder).eval().requires_grad_(False)

    recipe.logs.mkdir(parents=True, exist_ok=True)
    checkpoint = recipe.logs / "checkpoint.pt"
    saved: dict[str, Any] = torch.load(checkpoint, weights_only=True) if checkpoint.exists() else {}
    board = SummaryWriter(str(recipe.logs))
    reward: Reward | None = None
    stages = (
        ("cross-entropy", recipe.epochs, recipe.lr),
        ("self-critical", recipe.self_critical_epochs, recipe.self_critical_lr),
    )
    best, step = float(saved.get("best", -1.0)), int(saved.get("step", 0))
    started = time.monotonic()
    if saved:
        decoder.load_state_dict(saved["decoder"])
        averaged.load_state_dict(saved["averaged"])
        print(f"going on after epoch {saved['epoch'] + 1} of {saved['stage']}, best BLEU-4 {best:.2f}")

    for stage, epochs, rate in stages:
        stage_names = [name for name, _, _ in stages]
        if saved and stage_names.index(stage) < stage_names.index(saved["stage"]):
            continue
        optimiser = torch.optim.AdamW(decoder.parameters(), lr=rate, weight_decay=recipe.weight_decay)
        per_epoch = math.ceil(len(train) / recipe.batch_size)
        warm_up, steps = min(200, per_epoch), max(1, epochs * per_epoch)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, functools.partial(cosine, warm_up, steps))
        decoder.dropout.p = recipe.dropout if stage == "cross-entropy" else recipe.self_critical_dropout
        first, idle = 0, 0
        if saved and saved["stage"] == stage:
            first, idle = saved["epoch"] + 1, saved["idle"]
            optimiser.load_state_dict(saved["optimiser"])
            schedule.load_state_dict(saved["schedule"])
        elif stage == "self-critical" and epochs:
            decoder.load_state_dict(averaged.state_dict())

        for epoch in range(first, epochs):
            if idle > recipe.patience:
                break
            decoder.train()
            means: dict[str, float] = {}
            seed = recipe.seed * 1000 + stage_names.index(stage) * 100 + epoch
            batches = photos.batches(recipe.batch_size, device, seed)
            bar = tqdm(batches, total=per_epoch, desc=f"{stage} {epoch + 1}/{epochs}", unit="batch", mininterval=5)
            for batch in bar:
                with autocast(device, torch.bfloat16):
                    if stage == "cross-entropy":
                        loss, figures = cross_entropy_loss(decoder, batch, recipe)
                    else:
                        reward = reward or Reward(photos.captions[0], recipe.bleu_weight)
                        loss, figures = self_critical_loss(decoder, batch, reward, recipe)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                step += 1
                decay = min(recipe.ema_decay, (1 + step) / (10 + step))
                with torch.no_grad():
                    for slow, fast in zip(averaged.parameters(), decoder.parameters(), strict=True):
                        slow.lerp_(fast, 1 - decay)
                for name, value in figures.items():
                    means[name] = means.get(name, 0.0) + value / per_epoch
                    board.add_scalar(f"{stage}/{name}", value, step)
                bar.set_postfix({name: f"{value:.3f}" for name, value in figures.items()}, refresh=False)

            captions = write_captions(averaged, held_out_features, vocabulary, device, 1.0)
            bleu_4, cider_d = bleu(references, captions)[3], cider.score(references, captions)
            board.add_scalar("val/BLEU-4", bleu_4, step)
            board.add_scalar("val/CIDEr-D", cider_d, step)
            train_figures = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
            print(
                f"{stage} {epoch + 1}/{epochs}: {train_figures}; val BLEU-4 {bleu_4:.2f}, CIDEr-D {cider_d:.3f}; "
                f"{(time.monotonic() - started) / 60:.1f} min",
                flush=True,
            )
            for words in itertools.islice(captions, 3):
                print("   ", " ".join(words), flush=True)
            write_weights = functools.partial(
                save_decoder, decoder=averaged, vocabulary=vocabulary, image_size=IMAGE_SIZE, length_penalty=1.0
            )
            write_weights(recipe.logs / f"{stage}-{epoch + 1}")
            idle = 0 if bleu_4 > best else idle + 1
            if bleu_4 > best:
                best = bleu_4
                write_weights(recipe.out)
            state = {
                "stage": stage,
                "epoch": epoch,
                "idle": idle,
                "best": best,
                "step": step,
                "decoder": decoder.state_dict(),
                "averaged": averaged.state_dict(),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
            }
            torch.save(state, checkpoint.with_suffix(".partial"))
            checkpoint.with_suffix(".partial").replace(checkpoint)
    board.close()

    # the beam search's length penalty
    decoder = load_decoder(recipe.out)[0].to(device)
    scores = {}
    for penalty in LENGTH_PENALTIES:
        captions = write_captions(decoder, held_out_features, vocabulary, device, penalty)
        scores[penalty] = bleu(references, captions)[3]
        print(f"length penalty {penalty}: val BLEU-4 {scores[penalty]:.2f}")
    best_penalty = max(scores, key=scores.__getitem__)
    save_decoder(recipe.out, decoder, vocabulary, image_size=IMAGE_SIZE, length_penalty=best_penalty)
    print(f"length penalty {best_penalty}, val BLEU-4 {scores[best_penalty]:.2f}; weights in {recipe.out}")


if __name__ == "__main__":
    main()
