"""Train the embedded dual encoder: a head between a frozen EfficientNet-Lite2 and a frozen MiniLM.

    python -m training.dual_encoder --data FLICKR8K COCO --more-data OBJECTS ROOMS RELIT --repeats 2 2 \
        --background rooms.tar --out models/tagger-dual-encoder

Each is a folder with captions.csv and images/ (see training/data.py); those of --more-data come from
training/labelled_photos.py and training/relit_photos.py. Minutes on a CPU, once the features are there:

1. Features. Each photo of --data goes through the encoder in three views (plain; lightly changed; tilted, cropped and
   tinted), and what its stages say of the picture as a whole is kept (--cache, 34 MB a view). Mirrored photos have the
   same statistics.
2. Sentences. Every caption, and every name and definition of ImageNet's classes, goes through MiniLM once.
3. Contrastive training (Radford et al., 2021): in a batch, a photo's caption should be nearer to it than the others,
   and the other way round, at a learned temperature. The members of the ensemble have a loss each and share the text
   head. Dropout, weight decay, a cosine schedule; what is kept is an exponential moving average.
4. The weight of the named vector (what the ImageNet classifier says, in words): the largest, on photos unlike those of
   the training set, that costs at most --named-cost points of R@10 on the validation photos.
5. Background. Mean and covariance of the embeddings of reference photos: the training photos, each in one of its views,
   and, a quarter of all, photos without labels of places that the training photos lack (--background, a tar of them).
   And the logistic map from z-scores to probabilities, fitted to validation photos and captions, each photo's own
   against those of others.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from framesense.models.encoders.efficientnet_lite2 import load_encoder
from tagger.models.embedded import HeadSizes, ImageHead, TextHead, image_logits, load_heads, save_heads
from tagger.tags.calibration import BackgroundCalibration
from training.config import parse_recipe
from training.data import default_cache
from training.dual_encoder_data import Pairs, class_sentences, pooled_archive, read_pairs

TRAIN_VIEWS = ("plain", "nudged-at-random", "disturbed")
NAMED = [(weight, power) for weight in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4) for power in (1.0, 2.0, 3.0, 4.0)]
"""Weights and powers that are tried."""
UNLIKE = 2.5
"""A disagreement, in usual ones, of photos unlike those of the training set."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class DualEncoderRecipe:
    """The options of the command line, and their defaults: how the committed weights were made."""

    data: Annotated[tuple[Path, ...], "folders with captions.csv and images/; all have validation photos"]
    out: Annotated[Path, "where the weights go"]
    more_data: Annotated[tuple[Path, ...], "such folders without validation photos, seen in the plain view only"] = ()
    repeats: Annotated[tuple[int, ...], "how often an epoch shows each photo, a folder (1 if not said)"] = ()
    init: Annotated[Path | None, "a folder of heads to go on from; with no epochs only what follows is done"] = None
    background: Annotated[Path | None, "a tar of reference photos; their labels are not looked at"] = None
    background_photos: Annotated[int, "how many of them, evenly spread"] = 600
    cache: Annotated[Path | None, "where features and sentences are kept (none: in the user's cache)"] = None
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    threads: Annotated[int, "CPU threads (0: torch decides)"] = 0
    seed: int = 1
    members: Annotated[int, "networks in the ensemble"] = 4
    hidden_size: int = 384
    temperature: Annotated[float, "of the ImageNet probabilities"] = 1.2
    named_cost: Annotated[float, "points of R@10 that named vectors may cost"] = 1.0
    epochs: int = 14
    batch_size: int = 512
    lr: float = 1e-3
    text_lr: Annotated[float, "of the text head: it begins as the identity"] = 3e-4
    weight_decay: float = 0.3
    dropout: float = 0.6
    feature_dropout: float = 0.5
    ema_decay: Annotated[float, "of the moving average of the weights, a step"] = 0.98


# --------------------------------------------------------------------------------------------------------------- loss


def contrastive_loss(learnt: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """Compute the mean over members of the symmetric InfoNCE (van den Oord et al., 2018).

    ``learnt``: M×B×384, ``texts``: B×384.
    """
    similarities = scale * learnt @ texts.T
    right = torch.arange(texts.shape[0], device=texts.device).expand(similarities.shape[0], -1)
    photo_to_text = F.cross_entropy(similarities.transpose(1, 2), right)
    text_to_photo = F.cross_entropy(similarities, right)
    return (photo_to_text + text_to_photo) / 2


# --------------------------------------------------------------------------------------------------------- evaluation


def ranks(queries: Tensor, items: Tensor) -> Tensor:
    """Count, for each of n×d queries, the items that were ranked before the right one.

    The i-th query belongs to the i-th of n×d items.
    """
    similarities = queries @ items.T
    return (similarities > similarities.diagonal().unsqueeze(1)).sum(dim=1)


def recall(ranked: Tensor, at: int) -> float:
    """Return the percentage of queries whose right item is among the first ``at``."""
    return 100 * float((ranked < at).float().mean())


def text_to_photo_recall(images: Tensor, captions: Tensor, at: int = 10) -> float:
    """Compute the recall of N×d images by N×K×d captions: the mean over all K captions."""
    return float(np.mean([recall(ranks(captions[:, k], images), at) for k in range(captions.shape[1])]))


# ------------------------------------------------------------------------------------------------------- calibration


def fit_logistic(scores: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit slope and intercept of p(right | score), by Newton's method (Platt, 1999); both classes count the same."""
    x = np.stack([scores, np.ones_like(scores)], axis=1).astype(np.float64)
    weight = np.where(right, 0.5 / right.sum(), 0.5 / (~right).sum())
    parameters = np.zeros(2)
    for _ in range(50):
        probability = 1 / (1 + np.exp(-x @ parameters))
        gradient = x.T @ (weight * (probability - right))
        curvature = (x * (weight * probability * (1 - probability))[:, None]).T @ x + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        parameters -= step
        if np.abs(step).max() < 1e-8:
            break
    return float(parameters[0]), float(parameters[1])


def calibrate(background: Floats, images: Floats, captions: Floats) -> BackgroundCalibration:
    """Fit the calibration.

    ``background``: n×d reference photos. ``images`` and ``captions``: N×d, the i-th of each belong together.
    """
    measured = BackgroundCalibration.measure(background)
    scores = measured.z_scores(images, captions)
    slope, intercept = fit_logistic(scores.ravel(), np.eye(len(images), dtype=bool).ravel())
    return replace(measured, slope=slope, intercept=intercept)


# -------------------------------------------------------------------------------------------------------------- recipe


def draw(sources: Sequence[Pairs], chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Draw photos by their number in all sources, one view and one caption of each.

    Returns B×2992 and B×384, source by source.
    """
    pooled, captions, first = [], [], 0
    for pairs in sources:
        views, photos = pairs.pooled.shape[:2]
        rows = chosen[(chosen >= first) & (chosen < first + photos)] - first
        pooled.append(pairs.pooled[torch.randint(views, rows.shape), rows])
        captions.append(pairs.captions[rows, torch.randint(pairs.captions.shape[1], rows.shape)])
        first += photos
    return torch.cat(pooled), torch.cat(captions)


def epoch_batches(sources: Sequence[Pairs], repeats: Sequence[int], batch_size: int) -> list[Tensor]:
    """Draw one epoch in random order.

    A photo that is shown several times is in a batch once: it would be its own wrong.
    """
    counts = torch.cat(
        [torch.full((pairs.pooled.shape[1],), times) for pairs, times in zip(sources, repeats, strict=True)]
    )
    shown = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return [chosen.unique() for chosen in shown[torch.randperm(len(shown))].split(batch_size)]


def train_heads(
    sources: Sequence[Pairs], sizes: HeadSizes, recipe: DualEncoderRecipe
) -> tuple[ImageHead, TextHead, float]:
    """Train the heads.

    Returns the averaged heads, without named vectors yet, and the learned inverse temperature.
    """
    device = torch.device(recipe.device)
    repeats = (*recipe.repeats, *[1] * len(sources))[: len(sources)]
    image_head = ImageHead(sizes, recipe.dropout, recipe.feature_dropout).to(device)
    text_head = TextHead().to(device)
    text_head.mean.copy_(torch.cat([pairs.captions.flatten(0, 1) for pairs in sources]).mean(dim=0))
    everything = torch.cat([pairs.pooled.flatten(0, 1) for pairs in sources])
    image_head.learnt.centre.copy_(everything.mean(dim=0))
    image_head.learnt.spread.copy_(everything.std(dim=0) + 1e-4)
    del everything
    log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07), device=device))
    if recipe.init:
        saved_image_head, saved_text_head, config = load_heads(recipe.init)
        image_head.load_state_dict(saved_image_head.state_dict())
        text_head.load_state_dict(saved_text_head.state_dict())
        log_scale.data.fill_(math.log(config["logit_scale"]))
    groups = [
        {"params": [*(p for p in image_head.parameters() if p.requires_grad), log_scale], "lr": recipe.lr},
        {"params": [text_head.turn.weight], "lr": recipe.text_lr, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    averaged = copy.deepcopy((image_head, text_head))
    steps = max(1, recipe.epochs) * len(epoch_batches(sources, repeats, recipe.batch_size))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / 30) * (0.51 + 0.49 * math.cos(math.pi * step / steps))
    )
    parameters = [weight for group in groups for weight in group["params"]]  # type: ignore[attr-defined]
    fast = [weight for head in (image_head, text_head) for weight in head.parameters() if weight.requires_grad]
    slow = [weight for head in averaged for weight in head.parameters() if weight.requires_grad]
    step = 0
    for epoch in range(recipe.epochs):
        image_head.train()
        losses: list[float] = []
        batches = epoch_batches(sources, repeats, recipe.batch_size)
        for chosen in tqdm(batches, desc=f"epoch {epoch + 1}", mininterval=5):
            pooled, captions = (tensor.to(device) for tensor in draw(sources, chosen))
            texts = text_head(captions)
            with torch.autocast(device.type, torch.bfloat16):
                learnt = image_head.learnt(pooled)
            loss = contrastive_loss(learnt, texts, log_scale.exp().clamp(max=100))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            step += 1
            decay = min(recipe.ema_decay, (1 + step) / (10 + step))
            with torch.no_grad():
                for slow_weight, current in zip(slow, fast, strict=True):
                    slow_weight.lerp_(current, 1 - decay)
            losses.append(loss.item())
        mean = sum(losses) / len(losses)
        print(f"epoch {epoch + 1}/{recipe.epochs}: loss {mean:.3f}, scale {log_scale.exp().item():.1f}", flush=True)
    return averaged[0].eval(), averaged[1].eval(), log_scale.exp().item()


@torch.inference_mode()
def choose_named(
    image_head: ImageHead, text_head: TextHead, held_out: Sequence[Pairs], classes: Tensor, recipe: DualEncoderRecipe
) -> None:
    """Set the image head's named vectors and their weight, by the mean of R@10 over the sets of held-out photos."""
    device = torch.device(recipe.device)
    names = text_head(classes.to(device))
    image_head.class_texts.copy_(names - names.mean(dim=0))  # what all classes have in common says nothing
    sets = [(s.pooled[0].to(device), s.logits[0].to(device), text_head(s.captions.to(device))) for s in held_out]
    agreement = [image_head.learnt(pooled).mean(dim=0).norm(dim=-1) for pooled, _, _ in sets]
    usual = float((1 - torch.cat(agreement)).median())

    found = {}
    for weight, power in NAMED:
        image_head.sizes = replace(image_head.sizes, named_weight=weight, named_power=power, usual_disagreement=usual)
        recalls = [text_to_photo_recall(image_head(pooled, logits), texts) for pooled, logits, texts in sets]
        found[weight, power] = sum(recalls) / len(recalls)
    allowed = [named for named, value in found.items() if value >= max(found.values()) - recipe.named_cost]
    chosen = max(allowed, key=lambda named: named[0] * UNLIKE ** named[1])
    image_head.sizes = replace(image_head.sizes, named_weight=chosen[0], named_power=chosen[1])
    for named, value in found.items():
        print(f"named weight {named[0]}, power {named[1]}: R@10 {value:.2f}" + (" *" if named == chosen else ""))


@torch.inference_mode()
def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(DualEncoderRecipe, __doc__, argv)
    cache = recipe.cache or default_cache()
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    device = torch.device(recipe.device)

    encoder = load_encoder().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    train = [read_pairs(folder, "train", TRAIN_VIEWS, cache, encoder) for folder in recipe.data]
    train += [read_pairs(folder, "train", ("plain",), cache, encoder) for folder in recipe.more_data]
    held_out = [read_pairs(folder, "val", ("plain",), cache, encoder) for folder in recipe.data]
    classes = class_sentences(cache, device)
    print(
        f"{[s.pooled.shape[1] for s in train]} photos to train on, {[s.pooled.shape[1] for s in held_out]} to choose by"
    )

    sizes = HeadSizes(recipe.members, recipe.hidden_size, recipe.temperature)
    with torch.inference_mode(False):
        image_head, text_head, scale = train_heads(train, sizes, recipe)
    choose_named(image_head, text_head, held_out, classes, recipe)

    def embed(pooled: Tensor, logits: Tensor) -> Tensor:
        embeddings: Tensor = image_head(pooled.to(device), logits.to(device)).cpu()
        return embeddings

    # each captioned training photo in one of its views, in turn; three of them for each photo of other places
    views = range(len(TRAIN_VIEWS))
    captioned = train[: len(recipe.data)]
    reference = torch.cat([embed(s.pooled[v], s.logits[v])[v :: len(views)] for s in captioned for v in views])
    if recipe.background:
        pooled = pooled_archive(recipe.background, recipe.background_photos, encoder)
        others = embed(pooled, image_logits(encoder, pooled.to(device)))
        reference = torch.cat([reference[:: max(1, len(reference) // (3 * len(others)))], others])
    images = torch.cat([embed(s.pooled[0], s.logits[0]) for s in held_out])
    first_captions = torch.cat([text_head(s.captions[:, 0].to(device)).cpu() for s in held_out])
    calibration = calibrate(reference.numpy(), images.numpy(), first_captions.numpy())
    save_heads(recipe.out, image_head, text_head, logit_scale=scale)
    calibration.save(recipe.out)
    print(f"weights in {recipe.out}")


if __name__ == "__main__":
    main()
