"""Teach the tagger Russian: a head on multilingual E5, whose teacher is the tagger's own English text side.

    python -m training.russian_texts --model models/tagger-dual-encoder --data FLICKR8K --captions captions-ru.csv \
        --names names.csv

A text and its translation should have one vector (Reimers and Gurevych, 2020, arXiv:2004.09813), and the vector of the
English one is known. What is learnt from:

- *Names* (training/russian_names.py): a thing's name in Russian, as it is, after "фотография: " and after "a photo of
  a "; the target is the vector of the English name, as it is and after "a photo of a ".
- *Captions* (columns image, split, caption): the target is the mean of the photo's English captions' vectors.

The head's first layer is drawn at random and its second solved for in closed form, by ridge regression (random
features; Rahimi and Recht, 2007). Both encoders and the pictures' side are locked: nothing of the English tagger moves.
All is encoded once (--cache; E5 takes about 35 ms a caption on one core); the solution takes seconds.

Prints, for the validation and test photos, how often a Russian caption finds its photo among the first ten, and how
often the first English one does.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from framesense.models.encoders.e5 import DIMENSIONS, MultilingualEncoder
from framesense.models.spec import choose_dtype
from tagger.labels.scripts import normalised
from tagger.models.embedded import EmbeddedDualEncoder
from tagger.models.multilingual import MultilingualHead, save_head
from training.config import parse_recipe
from training.data import default_cache, read_captions, read_photos
from training.dual_encoder import recall
from training.dual_encoder_data import cached_pooled, cached_sentences
from training.russian_names import read_pairs

TEMPLATES = (("{}", "{}"), ("a photo of a {}", "фотография: {}"), ("a photo of a {}", "a photo of a {}"))
"""Around an English name and around a Russian one; the last is the tagger's default template around either."""
RANDOM_WEIGHT = 2.0
"""Of the random features beside the plain ones: the larger, the less the ridge holds their coefficients down."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RussianTextsRecipe:
    """The options of the command line, and their defaults: how the committed weights were made."""

    model: Annotated[Path, "the tagger's folder: the teacher; russian.safetensors goes there"]
    data: Annotated[Path, "Flickr8k's folder, with captions.csv and images/"]
    captions: Annotated[Path, "Russian captions of those photos: a CSV with the columns image, split, caption"]
    names: Annotated[Path, "what training.russian_names wrote"]
    per_photo: Annotated[int, "captions of a training photo that are used"] = 1
    cache: Annotated[Path | None, "where features and sentences are kept (none: in the user's cache)"] = None
    threads: Annotated[int, "CPU threads (0: torch decides)"] = 0
    seed: int = 1
    hidden_size: Annotated[int, "random features"] = 4096
    gain: Annotated[float, "standard deviation of what enters their activation"] = 1.0
    caption_weight: Annotated[float, "of a caption, where a name counts 1"] = 3.0
    ridge: float = 4000.0


@dataclass(frozen=True)
class Lesson:
    """Hold N texts as E5 reads them and what they should become: N×384 each."""

    texts: Tensor
    targets: Tensor


def e5_vectors(texts: Sequence[str], cache: Path) -> Tensor:
    """Embed n texts by E5, n×384; each normalised text is encoded once and kept on disk, in float16."""
    target, wanted = cache / "e5-vectors.npz", [normalised(text) for text in texts]
    known: dict[str, NDArray[np.float16]] = {}
    if target.exists():
        with np.load(target) as stored:
            known = dict(zip(stored["texts"].tolist(), stored["vectors"], strict=True))
    new = sorted({text for text in wanted if text not in known}, key=len)
    if new:
        encoder = MultilingualEncoder()
        for start in tqdm(range(0, len(new), 64), desc="E5", unit="batch", mininterval=5):
            batch = new[start : start + 64]
            known.update(zip(batch, encoder.encode(batch).astype(np.float16), strict=True))
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(target, texts=np.array(list(known)), vectors=np.stack(list(known.values())))
    return torch.from_numpy(np.stack([known[text] for text in wanted]).astype(np.float32))


def read_russian(file: Path, split: str, per_photo: int) -> list[tuple[str, str]]:
    """Read (image, caption) of a split, at most ``per_photo`` of each photo, in the file's order."""
    found: dict[str, list[str]] = {}
    with file.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            if row["split"] == split:
                found.setdefault(row["image"], []).append(row["caption"])
    return [(image, caption) for image, captions in found.items() for caption in captions[:per_photo]]


class Teacher:
    """The English tagger: vectors of photos and of English texts, encoded once."""

    def __init__(self, recipe: RussianTextsRecipe, cache: Path) -> None:
        device = torch.device("cpu")
        self._model = EmbeddedDualEncoder.load(recipe.model, device, choose_dtype("auto", device))
        self._data, self._cache = recipe.data, cache

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Embed n English texts: n×384, L2-normalised."""
        sentences = cached_sentences(texts, self._cache, torch.device("cpu"))
        with torch.inference_mode():
            embeddings: Tensor = self._model.text_head(torch.from_numpy(sentences)).clone()
        return embeddings

    def photos(self, split: str) -> dict[str, Tensor]:
        """Embed the photos of a split, by name: 384, L2-normalised."""
        photos = read_photos(self._data, split)
        vectors = self._model.embed_pooled(cached_pooled(photos, "plain", self._cache, self._model.encoder))
        return {photo.path.name: torch.from_numpy(vector) for photo, vector in zip(photos, vectors, strict=True)}

    def captions(self, split: str) -> dict[str, Tensor]:
        """Embed the English captions of a split, by photo: K×384, L2-normalised."""
        captions = read_captions(self._data, split)
        vectors = self.texts([text for texts in captions.values() for text in texts])
        return dict(zip(captions, vectors.split([len(texts) for texts in captions.values()]), strict=True))


def caption_lesson(recipe: RussianTextsRecipe, teacher: Teacher, cache: Path) -> Lesson:
    """Read the Russian captions of the training photos."""
    rows = read_russian(recipe.captions, "train", recipe.per_photo)
    english = teacher.captions("train")
    targets = torch.stack([F.normalize(english[image].mean(dim=0), dim=0) for image, _ in rows])
    return Lesson(e5_vectors([caption for _, caption in rows], cache), targets)


def name_lesson(names: Path, teacher: Teacher, cache: Path) -> Lesson:
    """Read the names, in each template."""
    pairs = read_pairs(names)
    english = [template.format(name) for template, _ in TEMPLATES for name, _ in pairs]
    russian = [template.format(name) for _, template in TEMPLATES for _, name in pairs]
    return Lesson(e5_vectors(russian, cache), teacher.texts(english))


@torch.no_grad()
def solve_head(captions: Lesson, names: Lesson, recipe: RussianTextsRecipe) -> MultilingualHead:
    """Solve for a head whose vectors, before they are normalised, are nearest to the targets."""
    texts, targets = torch.cat([captions.texts, names.texts]), torch.cat([captions.targets, names.targets])
    head = MultilingualHead(recipe.hidden_size).eval()
    head.centre.copy_(texts.mean(dim=0))
    head.spread.copy_(texts.std(dim=0))
    head.enter.weight.normal_(std=recipe.gain * DIMENSIONS**-0.5)
    head.enter.bias.normal_(std=0.5)
    entered = (texts - head.centre) / head.spread
    features = torch.cat([entered, RANDOM_WEIGHT * F.gelu(head.enter(entered)), torch.ones(len(texts), 1)], dim=1)
    weighed = features * torch.cat(
        [torch.full((len(captions.texts), 1), recipe.caption_weight), torch.ones(len(names.texts), 1)]
    )
    gram = weighed.T @ features + recipe.ridge * torch.eye(features.shape[1])
    solution = torch.linalg.solve(gram, weighed.T @ targets)
    plain, random, constant = solution.split([DIMENSIONS, recipe.hidden_size, 1])
    head.shortcut.weight.copy_(plain.T)
    head.leave.weight.copy_(RANDOM_WEIGHT * random.T)
    head.leave.bias.copy_(constant[0])
    return head


@torch.inference_mode()
def caption_recall(
    head: MultilingualHead, split: str, recipe: RussianTextsRecipe, teacher: Teacher, cache: Path
) -> tuple[int, float, float]:
    """Measure R@10 among all photos of a split by first captions: their number, in Russian, in English."""
    rows, photos = read_russian(recipe.captions, split, 1), teacher.photos(split)
    places = {image: place for place, image in enumerate(photos)}
    items, own = torch.stack(list(photos.values())), torch.tensor([places[image] for image, _ in rows])
    english = teacher.captions(split)
    queries = (
        head(e5_vectors([caption for _, caption in rows], cache)),
        torch.stack([english[image][0] for image, _ in rows]),
    )
    found = []
    for query in queries:
        similarities = query @ items.T
        before = (similarities > similarities.gather(1, own[:, None])).sum(dim=1)
        found.append(recall(before, 10))
    return len(rows), found[0], found[1]


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(RussianTextsRecipe, __doc__, argv)
    cache = recipe.cache or default_cache()
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    teacher = Teacher(recipe, cache)
    captions, names = caption_lesson(recipe, teacher, cache), name_lesson(recipe.names, teacher, cache)
    print(f"{len(captions.texts)} captions, {len(names.texts)} names")
    head = solve_head(captions, names, recipe)
    for split in ("val", "test"):
        count, russian, english = caption_recall(head, split, recipe, teacher, cache)
        print(f"{split}, {count} captions, R@10: Russian {russian:.1f}, English {english:.1f}")
    save_head(recipe.model, head)
    print(f"weights in {recipe.model}")


if __name__ == "__main__":
    main()
