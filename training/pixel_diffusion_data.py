"""Captioned small photos for the pixel diffusion model, packed once.

As a photo is drawn it is often varied (training/photo_variants.py): the words of the variant stand in the caption, in
several phrasings, with what the caption said before or alone.

Sources are a tar of photos in folders named as their class, and a folder with ``captions.csv`` and ``images/`` (see
training/data.py).
"""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from training.photo_variants import NAMES, VARIANTS, WEIGHTS, Pixels, Random, read_off

MAX_TOKENS = 32
SENTENCE_SCALE = 384**0.5
"""Of the sentence embeddings: their length is 1, and a network hears 384 numbers of about 1 better."""

# ----------------------------------------------------------------------------------------------------------- captions

PHRASE_TEMPLATES = ("{phrase}", "a photo {phrase}", "a picture {phrase}", "make it look {phrase}", "the same, {phrase}")
CLASS_TEMPLATES = ("a {name}, {phrase}", "a photo of a {name} {phrase}", "{name} {phrase}", "{phrase}, a {name}")
PLAIN_TEMPLATES = ("a {name}", "a photo of a {name}", "{name}")
CLASS_NAMES = {
    "bathroom": ("bathroom",),
    "bedroom": ("bedroom",),
    "dining_room": ("dining room",),
    "entrance_hall": ("entrance hall", "hallway"),
    "kitchen": ("kitchen",),
    "living_room": ("living room",),
}
ANY_ROOM = "room"


def phrase_captions(variant: str) -> list[str]:
    """List the words of a variant alone."""
    return [template.format(phrase=phrase) for phrase in VARIANTS[variant][2] for template in PHRASE_TEMPLATES]


def class_captions(names: Sequence[str], variant: str | None) -> list[str]:
    """Name a class, by any of its names, with the words of a variant if there is one."""
    names = (*names, ANY_ROOM)
    if variant is None:
        return [template.format(name=name) for name in names for template in PLAIN_TEMPLATES]
    phrases = VARIANTS[variant][2]
    return [t.format(name=name, phrase=phrase) for name in names for t in CLASS_TEMPLATES for phrase in phrases]


# -------------------------------------------------------------------------------------------------------------- packing


def pack(image: Image.Image, side: int) -> Pixels:
    """Squash the whole picture to a square; every pixel is the mean of those it covers."""
    small = cv2.resize(np.asarray(image.convert("RGB")), (side, side), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8)


@dataclass(frozen=True)
class Photos:
    """N packed photos and, for each, the caption ids that it may be drawn with."""

    pixels: Pixels  # N×S×S×3
    plain: list[list[int]]
    """By photo: captions of the photo as it is."""
    varied: list[dict[str, list[int]]]
    """By photo, then by variant: captions of the photo so varied."""


class CaptionList:
    """Texts, each once, by number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._ids: dict[str, int] = {}

    def ids(self, texts: Sequence[str]) -> list[int]:
        """Return the numbers of texts, given where they are new."""
        for text in texts:
            if text not in self._ids:
                self._ids[text] = len(self.texts)
                self.texts.append(text)
        return [self._ids[text] for text in texts]


def read_tar(archive: Path, side: int, captions: CaptionList) -> Photos:
    """Read photos in folders named as their class."""
    pixels: list[Pixels] = []
    classes: list[str] = []
    with tarfile.open(archive) as opened:
        for member in tqdm(opened, desc=archive.name, unit="photo", mininterval=5):
            if not member.name.endswith(".jpg"):
                continue
            file = opened.extractfile(member)
            assert file is not None, "a file, as its name says"
            with Image.open(file) as image:
                pixels.append(pack(image, side))
            classes.append(member.name.split("/")[-2])
    names = {label: CLASS_NAMES.get(label, (label.replace("_", " "),)) for label in sorted(set(classes))}
    plain = {label: captions.ids(class_captions(names[label], None)) for label in names}
    varied = {
        label: {variant: captions.ids(class_captions(names[label], variant)) for variant in NAMES} for label in names
    }
    own, others = [], []
    for photo, label in zip(pixels, classes, strict=True):
        seen = [identifier for variant in read_off(photo) for identifier in varied[label][variant]]
        own.append(plain[label] * max(1, len(seen) // len(plain[label])) + seen)  # with and without, alike often
        others.append(varied[label])
    return Photos(np.stack(pixels), own, others)


def read_captioned(data: Path, side: int, captions: CaptionList, chance: Random) -> Photos:
    """Read the photos of the train split; each of a photo's captions goes with one variant, too."""
    texts: dict[str, list[str]] = {}
    with (data / "captions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "train":
                texts.setdefault(row["image"], []).append(row["caption"].rstrip(" .").lower())
    pixels, plain, varied = [], [], []
    for name, own in tqdm(texts.items(), desc="captioned", unit="photo", mininterval=5):
        with Image.open(data / "images" / name) as image:
            pixels.append(pack(image, side))
        plain.append(captions.ids(own))
        drawn: dict[str, list[int]] = {}
        for text in own:
            variant = str(chance.choice(NAMES, p=WEIGHTS / WEIGHTS.sum()))
            phrase = str(chance.choice(VARIANTS[variant][2]))
            joined = f"{text}, {phrase}" if chance.random() < 0.8 else f"{phrase}, {text}"
            drawn.setdefault(variant, []).extend(captions.ids([joined]))
        varied.append(drawn)
    return Photos(np.stack(pixels), plain, varied)


# ---------------------------------------------------------------------------------------------------------- embeddings


@dataclass(frozen=True)
class Words:
    """Encode n captions with MiniLM: the states of their word pieces, end to end, and the sentence embeddings."""

    states: NDArray[np.float16]  # T×384
    starts: NDArray[np.int64]  # n + 1
    sentences: NDArray[np.float16]  # n×384

    def batch(self, chosen: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return B×L×384 states, B×L mask and B×384 sentences (times SENTENCE_SCALE).

        −1 is the empty caption: zeros.
        """
        lengths = [int(self.starts[i + 1] - self.starts[i]) if i >= 0 else 1 for i in chosen]
        states = np.zeros((len(chosen), max(lengths), self.states.shape[1]), np.float32)
        mask = np.zeros(states.shape[:2], bool)
        sentences = np.zeros((len(chosen), self.sentences.shape[1]), np.float32)
        for row, (i, length) in enumerate(zip(chosen, lengths, strict=True)):
            mask[row, :length] = True
            if i >= 0:
                states[row, :length] = self.states[self.starts[i] : self.starts[i + 1]]
                sentences[row] = self.sentences[i] * np.float32(SENTENCE_SCALE)
        return torch.from_numpy(states), torch.from_numpy(mask), torch.from_numpy(sentences)


def cached_words(texts: Sequence[str], cache: Path, device: torch.device) -> Words:
    """Encode every caption by MiniLM once, kept on disk in float16 (about 14 kB a caption)."""
    from framesense.models.encoders.minilm import SentenceEncoder

    key = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    folder = cache / f"words-{key}"
    if not (folder / "starts.npy").exists():
        folder.mkdir(parents=True, exist_ok=True)
        encoder = SentenceEncoder(device)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        found: list[NDArray[np.float16]] = [np.empty(0, np.float16)] * len(texts)
        sentences = np.empty((len(texts), encoder.dimensions), np.float16)
        for start in tqdm(range(0, len(order), 128), desc="captions", unit="batch", mininterval=5):
            chosen = order[start : start + 128]
            encoded = encoder.encode_words([texts[place] for place in chosen], MAX_TOKENS)
            for place, states, sentence in zip(chosen, encoded.states, encoded.sentences, strict=True):
                found[place], sentences[place] = states.astype(np.float16), sentence.astype(np.float16)
        np.save(folder / "states.npy", np.concatenate(found))
        np.save(folder / "sentences.npy", sentences)
        np.save(folder / "starts.npy", np.concatenate([[0], np.cumsum([len(states) for states in found])]))
    return Words(
        np.load(folder / "states.npy", mmap_mode="r"),
        np.load(folder / "starts.npy"),
        np.load(folder / "sentences.npy"),
    )
