"""Train the embedded dual encoder: a head between a frozen EfficientNet-Lite2 and a frozen MiniLM.

    python -m training.dual_encoder --data DIR --out models/tagger-dual-encoder

DIR holds captions.csv and images/ (see training/data.py). Minutes on a CPU, once the features are there:

1. Features. Each training photo goes through the encoder in two views (plain; tilted, cropped and tinted), and what its
   stages say of the picture as a whole is kept (--cache, 34 MB a view). Mirrored photos have the same statistics.
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

import argparse
import copy
import csv
import hashlib
import math
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from framesense.models.encoders.efficientnet_lite2 import IMAGE_SIZE, encode_pooled, load_encoder, squash
from framesense.models.encoders.minilm import DIMENSIONS, SentenceEncoder
from framesense.models.spec import choose_dtype
from framesense.models.torch_compat import prepare_torchvision
from tagger.models.embedded import HeadSizes, ImageHead, TextHead, image_logits, save_heads
from tagger.tags.calibration import BackgroundCalibration
from training.data import Photo, default_cache, pixel_batches, read_photos

TRAIN_VIEWS = ("plain", "disturbed")
NAMED = [(weight, power) for weight in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4) for power in (1.0, 2.0, 3.0, 4.0)]
"""Weights and powers that are tried."""
UNLIKE = 2.5
"""A disagreement, in usual ones, of photos unlike those of the training set."""
CLASS_PROMPTS = ("a photo of a {names}", "{names}", "{names}: {definition}")

Floats = NDArray[np.float32]


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with captions.csv and images/")
    parser.add_argument("--background", type=Path, help="a tar of reference photos; their labels are not looked at")
    parser.add_argument("--background-photos", type=int, default=600, help="how many of them, evenly spread")
    parser.add_argument("--out", type=Path, required=True, help="where the weights go")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where features and sentences are kept")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: torch decides)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--members", type=int, default=4, help="networks in the ensemble")
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--temperature", type=float, default=1.2, help="of the ImageNet probabilities")
    parser.add_argument("--named-cost", type=float, default=1.0, help="points of R@10 that named vectors may cost")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--text-rate", type=float, default=3e-4, help="of the text head: it begins as the identity")
    parser.add_argument("--weight-decay", type=float, default=0.3)
    parser.add_argument("--dropout", type=float, default=0.6)
    parser.add_argument("--feature-dropout", type=float, default=0.5)
    parser.add_argument("--average", type=float, default=0.98, help="decay of the moving average, a step")
    return parser.parse_args(argv)


# --------------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Pairs:
    """Photos and their captions, encoded. N photos in V views, K captions each."""

    pooled: Tensor  # V×N×2992
    logits: Tensor  # V×N×1000
    captions: Tensor  # N×K×384


def read_captions(data: Path, split: str) -> dict[str, list[str]]:
    """Captions as they were written, by photo, in the order of captions.csv."""
    captions: dict[str, list[str]] = {}
    with (data / "captions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == split:
                captions.setdefault(row["image"], []).append(row["caption"])
    return captions


def cached_sentences(texts: Sequence[str], cache: Path, device: torch.device) -> Floats:
    """n texts → n×384, kept on disk."""
    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    target = cache / f"sentences-{key}.npy"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        encoder = SentenceEncoder(device)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        result = np.empty((len(texts), DIMENSIONS), np.float32)
        for start in tqdm(range(0, len(order), 128), desc="sentences", unit="batch", mininterval=5):
            chosen = order[start : start + 128]
            result[chosen] = encoder.encode([texts[place] for place in chosen])
        np.save(target, result)
    loaded: Floats = np.load(target)
    return loaded


def cached_pooled(photos: Sequence[Photo], view: str, cache: Path, encoder: nn.Module) -> Tensor:
    """N×2992 pooled features of ``photos`` in a ``view`` of training/data.py, kept on disk in float16."""
    key = hashlib.sha256("\n".join([view, str(IMAGE_SIZE), *(photo.path.name for photo in photos)]).encode())
    target = cache / f"pooled-{view}-{key.hexdigest()[:16]}.npy"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        batches = []
        with torch.inference_mode(), tqdm(total=len(photos), desc=f"pooled, {view}", unit="photo") as bar:
            for pixels in pixel_batches(photos, view, 32):
                batches.append(encode_pooled(encoder, pixels, _dtype(encoder)).half().cpu().numpy())
                bar.update(len(pixels))
        np.save(target, np.concatenate(batches))
    return torch.from_numpy(np.load(target)).float()


def read_pairs(data: Path, split: str, views: Sequence[str], cache: Path, encoder: nn.Module) -> Pairs:
    """Photos with their first five captions; every photo of Flickr8k has five."""
    photos, captions = read_photos(data, split), read_captions(data, split)
    device = next(encoder.parameters()).device
    pooled = torch.stack([cached_pooled(photos, view, cache, encoder) for view in views])
    texts = [text for photo in photos for text in captions[photo.path.name][:5]]
    sentences = torch.from_numpy(cached_sentences(texts, cache, device)).reshape(len(photos), 5, DIMENSIONS)
    with torch.inference_mode():
        logits = torch.stack([image_logits(encoder, view.to(device)).cpu() for view in pooled])
    return Pairs(pooled, logits, sentences)


def pooled_archive(archive: Path, count: int, encoder: nn.Module) -> Tensor:
    """About ``count`` photos of a tar, evenly spread over it → count×2992."""
    with tarfile.open(archive) as opened:
        names = [member for member in opened if member.isfile() and member.name.endswith(".jpg")]
        photos = []
        for member in names[:: max(1, len(names) // count)]:
            file = opened.extractfile(member)
            assert file is not None, "a file, as was asked above"
            with Image.open(file) as image:
                photos.append(squash(np.array(image.convert("RGB"))))
    with torch.inference_mode():
        batches = [torch.stack(photos[start : start + 32]) for start in range(0, len(photos), 32)]
        return torch.cat([encode_pooled(encoder, batch, _dtype(encoder)).cpu() for batch in batches])


def _dtype(encoder: nn.Module) -> torch.dtype:
    """As the tagger encodes here: a CPU that only emulates bfloat16 would take many times as long with it."""
    return choose_dtype("auto", next(encoder.parameters()).device)


def class_sentences(cache: Path, device: torch.device) -> Tensor:
    """1000×384: each ImageNet class's names and definition (WordNet's, in timm), averaged over CLASS_PROMPTS."""
    prepare_torchvision()
    from timm.data.imagenet_info import ImageNetInfo

    info, texts = ImageNetInfo(), []
    for index in range(info.num_classes()):
        names = info.index_to_description(index)
        definition = info.index_to_description(index, detailed=True).removeprefix(f"{names}: ")
        texts.extend(prompt.format(names=names, definition=definition) for prompt in CLASS_PROMPTS)
    sentences = torch.from_numpy(cached_sentences(texts, cache, device))
    return F.normalize(sentences.reshape(-1, len(CLASS_PROMPTS), DIMENSIONS).mean(dim=1), dim=-1)


# --------------------------------------------------------------------------------------------------------------- loss


def contrastive_loss(learnt: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """M×B×384 and B×384 → the mean over members of the symmetric InfoNCE (van den Oord et al., 2018)."""
    similarities = scale * learnt @ texts.T
    right = torch.arange(texts.shape[0], device=texts.device).expand(similarities.shape[0], -1)
    photo_to_text = F.cross_entropy(similarities.transpose(1, 2), right)
    text_to_photo = F.cross_entropy(similarities, right)
    return (photo_to_text + text_to_photo) / 2


# --------------------------------------------------------------------------------------------------------- evaluation


def ranks(queries: Tensor, items: Tensor) -> Tensor:
    """n×d queries, of which the i-th belongs to the i-th of n×d items → how many items were ranked before the right."""
    similarities = queries @ items.T
    return (similarities > similarities.diagonal().unsqueeze(1)).sum(dim=1)


def recall(ranked: Tensor, at: int) -> float:
    """Percent of queries whose right item is among the first ``at``."""
    return 100 * float((ranked < at).float().mean())


def text_to_photo_recall(images: Tensor, captions: Tensor, at: int = 10) -> float:
    """N×d images, N×K×d captions: mean over all K captions."""
    return float(np.mean([recall(ranks(captions[:, k], images), at) for k in range(captions.shape[1])]))


# ------------------------------------------------------------------------------------------------------- calibration


def fit_logistic(scores: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of p(right | score), by Newton's method, both classes counting the same (Platt, 1999)."""
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
    """``background``: n×d reference photos. ``images`` and ``captions``: N×d, the i-th of each belong together."""
    measured = BackgroundCalibration.measure(background)
    scores = measured.z_scores(images, captions)
    slope, intercept = fit_logistic(scores.ravel(), np.eye(len(images), dtype=bool).ravel())
    return replace(measured, slope=slope, intercept=intercept)


# -------------------------------------------------------------------------------------------------------------- recipe


def train_heads(train: Pairs, sizes: HeadSizes, options: argparse.Namespace) -> tuple[ImageHead, TextHead, float]:
    """→ the averaged heads, without named vectors yet, and the learned inverse temperature."""
    device = torch.device(options.device)
    image_head = ImageHead(sizes, options.dropout, options.feature_dropout).to(device)
    text_head = TextHead().to(device)
    text_head.mean.copy_(train.captions.flatten(0, 1).mean(dim=0))
    log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07), device=device))
    groups = [
        {"params": [*(p for p in image_head.parameters() if p.requires_grad), log_scale], "lr": options.rate},
        {"params": [text_head.turn.weight], "lr": options.text_rate, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
    image_head.learnt.centre.copy_(train.pooled.flatten(0, 1).mean(dim=0))
    image_head.learnt.spread.copy_(train.pooled.flatten(0, 1).std(dim=0) + 1e-4)
    averaged = copy.deepcopy((image_head, text_head))
    views, photos = train.pooled.shape[:2]
    per_epoch = math.ceil(photos / options.batch)
    steps = options.epochs * per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / 30) * (0.51 + 0.49 * math.cos(math.pi * step / steps))
    )
    pooled = train.pooled.to(device)
    captions = train.captions.to(device)
    parameters = [weight for group in groups for weight in group["params"]]  # type: ignore[attr-defined]
    fast = [weight for head in (image_head, text_head) for weight in head.parameters() if weight.requires_grad]
    slow = [weight for head in averaged for weight in head.parameters() if weight.requires_grad]
    step = 0
    for epoch in range(options.epochs):
        image_head.train()
        losses = 0.0
        bar = tqdm(torch.randperm(photos).split(options.batch), desc=f"epoch {epoch + 1}", mininterval=5)
        for chosen in bar:
            view = torch.randint(views, chosen.shape)
            caption = torch.randint(captions.shape[1], chosen.shape)
            texts = text_head(captions[chosen, caption])
            with torch.autocast(device.type, torch.bfloat16):
                learnt = image_head.learnt(pooled[view, chosen])
            loss = contrastive_loss(learnt, texts, log_scale.exp().clamp(max=100))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            schedule.step()
            step += 1
            decay = min(options.average, (1 + step) / (10 + step))
            with torch.no_grad():
                for kept, current in zip(slow, fast, strict=True):
                    kept.lerp_(current, 1 - decay)
            losses += loss.item() / per_epoch
        print(f"epoch {epoch + 1}/{options.epochs}: loss {losses:.3f}, scale {log_scale.exp().item():.1f}", flush=True)
    return averaged[0].eval(), averaged[1].eval(), log_scale.exp().item()


@torch.inference_mode()
def choose_named(
    image_head: ImageHead, text_head: TextHead, held_out: Pairs, classes: Tensor, options: argparse.Namespace
) -> tuple[Callable[[Tensor, Tensor], Tensor], Tensor]:
    """Sets the image head's named vectors and their weight; → the head as a function, and the held-out texts."""
    device = torch.device(options.device)
    names = text_head(classes.to(device))
    image_head.class_texts.copy_(names - names.mean(dim=0))  # what all classes have in common says nothing
    texts = text_head(held_out.captions.to(device))
    pooled, logits = held_out.pooled[0].to(device), held_out.logits[0].to(device)
    usual = float((1 - image_head.learnt(pooled).mean(dim=0).norm(dim=-1)).median())

    found = {}
    for weight, power in NAMED:
        image_head.sizes = replace(image_head.sizes, named_weight=weight, named_power=power, usual_disagreement=usual)
        found[weight, power] = text_to_photo_recall(image_head(pooled, logits), texts)
    allowed = [named for named, value in found.items() if value >= max(found.values()) - options.named_cost]
    chosen = max(allowed, key=lambda named: named[0] * UNLIKE ** named[1])
    image_head.sizes = replace(image_head.sizes, named_weight=chosen[0], named_power=chosen[1])
    for named, value in found.items():
        print(f"named weight {named[0]}, power {named[1]}: R@10 {value:.2f}" + (" *" if named == chosen else ""))
    return lambda pooled, logits: image_head(pooled.to(device), logits.to(device)), texts


@torch.inference_mode()
def main(argv: Sequence[str] | None = None) -> None:
    options = arguments(argv)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    device = torch.device(options.device)

    encoder = load_encoder().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    train = read_pairs(options.data, "train", TRAIN_VIEWS, options.cache, encoder)
    held_out = read_pairs(options.data, "val", ("plain",), options.cache, encoder)
    classes = class_sentences(options.cache, device)
    print(f"{train.pooled.shape[1]} photos to train on, {held_out.pooled.shape[1]} to choose by")

    sizes = HeadSizes(options.members, options.hidden, options.temperature)
    with torch.inference_mode(False):
        image_head, text_head, scale = train_heads(train, sizes, options)

    embed, texts = choose_named(image_head, text_head, held_out, classes, options)
    images = embed(held_out.pooled[0], held_out.logits[0])
    # each training photo in one of its views, in turn; three of them for each photo of other places
    views = range(len(TRAIN_VIEWS))
    reference = torch.cat([embed(train.pooled[v], train.logits[v])[v :: len(views)] for v in views])
    if options.background:
        pooled = pooled_archive(options.background, options.background_photos, encoder)
        others = embed(pooled, image_logits(encoder, pooled.to(device)).cpu())
        reference = torch.cat([reference[:: max(1, len(reference) // (3 * len(others)))], others])
    calibration = calibrate(reference.cpu().numpy(), images.cpu().numpy(), texts[:, 0].cpu().numpy())
    save_heads(options.out, image_head, text_head, logit_scale=scale)
    calibration.save(options.out)
    print(f"weights in {options.out}")


if __name__ == "__main__":
    main()
