"""Photos and captions as the dual encoder is trained on them: encoded once by the frozen encoders, kept on disk."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from framesense.models.encoders.efficientnet_lite2 import IMAGE_SIZE, encode_pooled, squash
from framesense.models.encoders.minilm import DIMENSIONS, SentenceEncoder
from framesense.models.spec import choose_dtype
from framesense.models.torch_compat import prepare_torchvision
from tagger.models.embedded import image_logits
from training.data import Photo, pixel_batches, read_captions, read_photos

CLASS_PROMPTS = ("a photo of a {names}", "{names}", "{names}: {definition}")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Pairs:
    """Photos and their captions, encoded. N photos in V views, K captions each."""

    pooled: Tensor  # V×N×2992
    logits: Tensor  # V×N×1000
    captions: Tensor  # N×K×384


def cached_sentences(texts: Sequence[str], cache: Path, device: torch.device) -> Floats:
    """Embed n texts, n×384, kept on disk."""
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
    """Return the N×2992 pooled features of ``photos`` in a ``view`` of training/data.py, kept on disk in float16."""
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
    """Read photos with their captions, K of them: as many as any photo has; the others' begin again."""
    photos, captions = read_photos(data, split), read_captions(data, split)
    device = next(encoder.parameters()).device
    pooled = torch.stack([cached_pooled(photos, view, cache, encoder) for view in views])
    of_photo = [captions[photo.path.name] for photo in photos]
    width = max(map(len, of_photo))
    distinct = list(dict.fromkeys(text for texts in of_photo for text in texts))
    place = {text: row for row, text in enumerate(distinct)}
    rows = torch.tensor([[place[texts[k % len(texts)]] for k in range(width)] for texts in of_photo])
    sentences = torch.from_numpy(cached_sentences(distinct, cache, device))[rows]
    with torch.inference_mode():
        logits = torch.stack([image_logits(encoder, view.to(device)).cpu() for view in pooled])
    return Pairs(pooled, logits, sentences)


def pooled_archive(archive: Path, count: int, encoder: nn.Module) -> Tensor:
    """Encode about ``count`` photos of a tar, evenly spread over it: count×2992."""
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
    """Choose the dtype that the tagger encodes in here.

    A CPU that only emulates bfloat16 would take many times as long with it.
    """
    return choose_dtype("auto", next(encoder.parameters()).device)


def class_sentences(cache: Path, device: torch.device) -> Tensor:
    """Embed each ImageNet class's names and definition (WordNet's, in timm), averaged over CLASS_PROMPTS: 1000×384."""
    prepare_torchvision()
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    texts: list[str] = []
    for index in range(info.num_classes()):
        names = info.index_to_description(index)
        definition = info.index_to_description(index, detailed=True).removeprefix(f"{names}: ")
        texts.extend(prompt.format(names=names, definition=definition) for prompt in CLASS_PROMPTS)
    sentences = torch.from_numpy(cached_sentences(texts, cache, device))
    return F.normalize(sentences.reshape(-1, len(CLASS_PROMPTS), DIMENSIONS).mean(dim=1), dim=-1)
