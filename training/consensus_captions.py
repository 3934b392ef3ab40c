"""Give captions to photos that have labels only: what people's captions of similar photos agree on.

    python -m training.consensus_captions --photos DIR --labels FILE... --captions captions.tsv.gz \
        --captioner models/captioner-show-attend-tell --out OBJECTS

A caption that is lent by a photo with the same objects (training/labelled_photos.py) is wrong in its details. Details
that many such captions share are mostly right: the nearest neighbours' consensus (Devlin et al., 2015,
arXiv:1505.04467). For each photo of COCO's train2014:

1. The 200 photos of captions.tsv.gz with the most similar sets of objects (Jaccard, weighed by rarity) lend captions.
2. Each caption is scored: how alike the photos are, the share of the objects that it names, less those it names that
   are not there, and the cosine of the caption and the picture, both as the captioner's confidence places them.
3. To the best 120 is added how similar each is to the others: the mean cosine of their tf-idf vectors of 1- to 4-grams,
   less where lengths differ, as in CIDEr-D.
4. The best four, each of another photo, are kept.

OUT holds captions.csv and images/, as training/data.py reads them. Minutes on a CPU.
"""

from __future__ import annotations

import collections
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from captioner.models.show_attend_tell import ConfidenceModel, load_decoder
from framesense.models.encoders.efficientnet_lite2 import load_encoder
from training.config import parse_recipe
from training.data import Photo, cached_features, default_cache, to_ids, tokenise
from training.labelled_photos import (
    OTHER_WORDS,
    coco_number,
    likeness,
    object_names,
    rarity,
    read_captions,
    read_labels,
)

Floats = NDArray[np.float32]
LONGEST_GRAM = 4
LENGTH_SPREAD = 6.0
"""Words: σ of the Gaussian that makes captions of unlike lengths less similar, as in CIDEr-D."""


@dataclass(frozen=True)
class ConsensusCaptionsRecipe:
    """The options of the command line."""

    photos: Annotated[Path, "a folder of COCO_train2014_*.jpg"]
    labels: Annotated[tuple[Path, ...], "files of lines 'path 0 1 0 …', 80 columns"]
    captions: Annotated[Path, "captions.tsv.gz: source, image, caption; those of source coco-val2014 are used"]
    captioner: Annotated[Path, "the captioner's folder, with a calibration of its confidence"]
    out: Annotated[Path, "a folder, made if need be"]
    leave_out: Annotated[Path | None, "COCO photos whose captions are not to be used, a name a line"] = None
    cache: Annotated[Path | None, "where features are kept (none: in the user's cache)"] = None
    neighbours: Annotated[int, "photos that lend captions to one"] = 200
    least_likeness: Annotated[float, "of such photos, 0 to 1"] = 0.4
    shortlist: Annotated[int, "captions whose consensus is sought"] = 120
    agreement: Annotated[float, "weight of the cosine of caption and picture"] = 6.0
    naming: Annotated[float, "weight of the share of the objects that a caption names"] = 1.0
    inventing: Annotated[float, "weight of the rarity of what it names and the photo lacks"] = 1 / 16
    consensus: Annotated[float, "weight of the mean similarity to the other captions, 0 to 1"] = 40.0
    captions_each: Annotated[int, "captions a photo is given"] = 4


@dataclass(frozen=True)
class Lenders:
    """Hold the M photos that lend captions, and their N captions, photo by photo."""

    labels: Floats
    """M × 80 of 0 and 1."""
    texts: list[str]
    """N."""
    owners: NDArray[np.int64]
    """N: the photo of each caption."""
    named: Floats
    """N × 80 of 0 and 1: which objects a caption names."""
    places: Floats
    """N × S: where a caption lies among sentences, as the confidence reckons it; unit length."""
    grams: Any
    """N × G, sparse: the dot product of two rows is the mean cosine of their 1- to 4-gram vectors."""
    lengths: Floats
    """N: words."""


def gram_vectors(captions: Sequence[Sequence[str]]) -> Any:
    """Return a sparse row a caption: its tf-idf vectors of n-grams, n = 1..4, each of length 1/2."""
    numbers: dict[tuple[str, ...], int] = {}
    rows: list[list[int]] = [[] for _ in range(LONGEST_GRAM)]
    columns: list[list[int]] = [[] for _ in range(LONGEST_GRAM)]
    for row, words in enumerate(captions):
        for n in range(1, LONGEST_GRAM + 1):
            for start in range(len(words) - n + 1):
                rows[n - 1].append(row)
                columns[n - 1].append(numbers.setdefault(tuple(words[start : start + n]), len(numbers)))
    parts = []
    for row_of, column_of in zip(rows, columns, strict=True):
        shape, ones = (len(captions), len(numbers)), np.ones(len(row_of), np.float32)
        counts = scipy.sparse.csr_array((ones, (row_of, column_of)), shape=shape)
        frequency = np.bincount(counts.indices, minlength=len(numbers))
        weighed = counts * np.log(len(captions) / np.maximum(frequency, 1)).astype(np.float32)
        lengths = np.sqrt(np.maximum((weighed * weighed).sum(axis=1), 1e-12))
        parts.append(scipy.sparse.diags_array(0.5 / lengths) @ weighed)
    return scipy.sparse.csr_array(sum(parts[1:], parts[0]))


def prepare_lenders(
    labels: Floats, captions: Sequence[Sequence[str]], vocabulary: Sequence[str], confidence: ConfidenceModel
) -> Lenders:
    """Prepare photos with labels (M × 80) and captions for :func:`lend_by_consensus`."""
    index = {word: number for number, word in enumerate(vocabulary)}
    patterns = [re.compile(rf"\b({OTHER_WORDS.get(name, name)})", re.IGNORECASE) for name in object_names()]
    texts = [text for of_photo in captions for text in of_photo]
    words = [tokenise(text) for text in texts]
    places = np.stack([confidence.words[to_ids([w for w in one if w in index], index)].sum(axis=0) for one in words])
    return Lenders(
        labels,
        texts,
        np.repeat(np.arange(len(captions)), [len(of_photo) for of_photo in captions]),
        np.array([[bool(pattern.search(text)) for pattern in patterns] for text in texts], np.float32),
        places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-6),
        gram_vectors(words),
        np.array([len(one) for one in words], np.float32),
    )


def lend_by_consensus(lenders: Lenders, objects: Floats, picture: Floats, recipe: ConsensusCaptionsRecipe) -> list[str]:
    """Choose captions for one photo, the best first; none where no photo is like it.

    Args:
        objects: 80 of 0 and 1, what is in the photo.
        picture: S numbers, where the photo's captions lie among sentences.
    """
    alike, weights = likeness(objects[None], lenders.labels)[0], rarity(lenders.labels)
    nearest = np.argsort(-alike, kind="stable")[: recipe.neighbours]
    near = np.zeros(len(alike), bool)
    near[nearest[alike[nearest] >= recipe.least_likeness]] = True
    candidates = np.flatnonzero(near[lenders.owners])
    if not candidates.size or not objects.any():
        return []
    named = lenders.named[candidates]
    scores = alike[lenders.owners[candidates]]
    scores = scores + recipe.naming * (named @ (objects * weights)) / float(objects @ weights)
    scores = scores - recipe.inventing * (named @ ((1 - objects) * weights))
    scores = scores + recipe.agreement * (lenders.places[candidates] @ (picture / np.linalg.norm(picture)))
    order = np.argsort(-scores, kind="stable")[: recipe.shortlist]
    candidates, scores = candidates[order], scores[order]
    similar = (lenders.grams[candidates] @ lenders.grams[candidates].T).toarray()
    apart = lenders.lengths[candidates][:, None] - lenders.lengths[candidates]
    similar = similar * np.exp(-np.square(apart) / (2 * LENGTH_SPREAD**2))
    np.fill_diagonal(similar, 0.0)
    scores = scores + recipe.consensus * similar.mean(axis=1)
    chosen: dict[int, str] = {}
    for place in candidates[np.argsort(-scores, kind="stable")]:
        chosen.setdefault(int(lenders.owners[place]), lenders.texts[place])
    return list(chosen.values())[: recipe.captions_each]


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(ConsensusCaptionsRecipe, __doc__, argv)

    # photos that lend
    labels = read_labels(recipe.labels)
    captions = read_captions(recipe.captions, recipe.leave_out)
    names = [name for name in labels if "val2014" in name and coco_number(name) in captions]
    _, vocabulary, _ = load_decoder(recipe.captioner)
    confidence = ConfidenceModel.load(recipe.captioner)
    lenders = prepare_lenders(
        np.stack([labels[name] for name in names]),
        [captions[coco_number(name)] for name in names],
        vocabulary,
        confidence,
    )

    # photos that are given captions
    files = [file for file in sorted(recipe.photos.glob("*.jpg")) if file.name in labels]
    photos = [Photo(file, []) for file in files]
    features = cached_features(photos, "plain", recipe.cache or default_cache(), load_encoder())
    counts: collections.Counter[int] = collections.Counter()
    images = recipe.out / "images"
    images.mkdir(parents=True, exist_ok=True)
    with (recipe.out / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", "caption"])
        for place, photo in enumerate(files):
            picture = features[place].astype(np.float32).mean(axis=0) @ confidence.projection + confidence.offset
            lent = lend_by_consensus(lenders, labels[photo.name], picture, recipe)
            counts[len(lent)] += 1
            if lent:
                (images / photo.name).write_bytes(photo.read_bytes())
                writer.writerows([photo.name, "train", text] for text in lent)
    print(f"photos by the number of their captions: {dict(sorted(counts.items()))}, in {recipe.out}")


if __name__ == "__main__":
    main()
