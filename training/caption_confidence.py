"""Calibrate the confidence of the embedded captioner: the chance that a caption is right.

    python -m training.caption_confidence --data FLICKR8K COCO --model models/captioner-show-attend-tell

Each is a folder with captions.csv and images/ (see training/data.py). What *right* means, and what a confidence is
reckoned from, is told in captioner/models/show_attend_tell/confidence.py. Minutes on a CPU:

1. Sentences. A ridge regression from the words of the training captions, counted and divided by their number, to their
   MiniLM embeddings; and one from the training photos' mean annotation vectors, in three views, to the mean embedding
   of their captions.
2. Level. The agreement that nine in ten of people's own captions of the validation photos reach with the others of the
   same photo.
3. Logistic regression, on the captioner's captions of the validation photos (beam 4).
4. The photos of the test split of all folders together tell how well the probabilities hold: expected calibration error
   over ten bins of equal width (Naeini et al., 2015), Brier score, area under the ROC curve.

Writes confidence.safetensors and confidence_figures.json into the model's folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from captioner.models.show_attend_tell import ConfidenceModel, ShowAttendTell, join_words
from framesense.models.encoders.minilm import SentenceEncoder
from training.config import parse_recipe
from training.data import Photo, cached_features, default_cache, read_captions, read_photos, to_ids, tokenise
from training.dual_encoder_data import cached_sentences

VIEWS = ("plain", "nudged-at-random", "disturbed")
AGREE = 0.1
"""Share of people's captions that agree less with the others than a caption that is right may."""
BINS = 10

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class CaptionConfidenceRecipe:
    """The options of the command line."""

    data: Annotated[tuple[Path, ...], "folders with captions.csv and images/"]
    model: Annotated[Path, "folder of the captioner"]
    leave_out: Annotated[Path | None, "names of photos, one a line, that are neither trained on nor chosen by"] = None
    cache: Annotated[Path | None, "where features and sentences are kept"] = None
    picture_ridge: Annotated[float, "of the regression from pictures, whose numbers have unit variance"] = 3e3
    word_ridge: Annotated[float, "of the regression from words"] = 3.0
    device: Annotated[str, "where the model runs"] = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Captioned:
    """Hold photos, the embeddings of people's captions of each, and their features."""

    photos: list[Photo]
    texts: list[list[str]]
    people: list[Floats]
    """k × 384 of each photo."""
    features: list[NDArray[np.float16]]
    """One a view: N × 81 × 1280."""


@dataclass(frozen=True)
class Judged:
    """Hold captions of the captioner: the picture's numbers, the words, their log-probabilities, and is it right."""

    pictures: Floats
    words: list[list[int]]
    log_probabilities: list[list[float]]
    right: Bools


def read(recipe: CaptionConfidenceRecipe, data: Path, split: str, model: ShowAttendTell) -> Captioned:
    """Read one split of a folder; of the test split nothing is left out, as nothing is fitted to it."""
    left_out = set(recipe.leave_out.read_text("utf-8").split()) if recipe.leave_out and split != "test" else set()
    photos, captions = read_photos(data, split), read_captions(data, split)
    views, cache = VIEWS if split == "train" else VIEWS[:1], recipe.cache or default_cache()
    features = [cached_features(photos, view, cache, model.encoder) for view in views]
    texts = [text for photo in photos for text in captions[photo.path.name]]
    embedded = cached_sentences(texts, cache, torch.device(recipe.device))
    ends = np.cumsum([len(captions[photo.path.name]) for photo in photos])
    of_photo = np.split(embedded, ends[:-1])
    kept = [place for place, photo in enumerate(photos) if photo.path.name not in left_out]
    return Captioned(
        [photos[place] for place in kept],
        [captions[photos[place].path.name] for place in kept],
        [of_photo[place] for place in kept],
        [features_of[kept] if left_out else features_of for features_of in features],
    )


def mean_vectors(features: NDArray[np.float16]) -> Floats:
    """N × 81 × 1280 → N × 1280; a few at a time, as they lie on disk."""
    parts = [features[start : start + 256].astype(np.float32).mean(axis=1) for start in range(0, len(features), 256)]
    return np.concatenate(parts)


def ridge(inputs: Floats, targets: Floats, strength: float) -> Floats:
    """Return the matrix W that makes ‖inputs · W − targets‖² + strength · ‖W‖² smallest."""
    gram = inputs.T @ inputs + strength * np.eye(inputs.shape[1], dtype=np.float32)
    return np.linalg.solve(gram, inputs.T @ targets).astype(np.float32)


def fit_pictures(parts: Sequence[Captioned], strength: float) -> tuple[Floats, Floats]:
    """Return the projection and offset from a picture's mean annotation vector to its captions' mean embedding."""
    views = [mean_vectors(features) for part in parts for features in part.features]
    means = [np.stack([people.mean(axis=0) for people in part.people]) for part in parts for _ in part.features]
    pictures, targets = np.concatenate(views), np.concatenate(means)
    middle, spread, centre = pictures.mean(axis=0), pictures.std(axis=0) + 1e-3, targets.mean(axis=0)
    weights = ridge((pictures - middle) / spread, targets - centre, strength) / spread[:, None]
    return weights, centre - middle @ weights


def fit_words(parts: Sequence[Captioned], vocabulary: Sequence[str], strength: float) -> Floats:
    """Return a row a word, whose sum over a sentence's words points where its embedding does."""
    index = {word: place for place, word in enumerate(vocabulary)}
    gram, product = np.eye(len(vocabulary), dtype=np.float32) * strength, np.zeros((len(vocabulary), 384), np.float32)
    for part in parts:
        for texts, people in zip(part.texts, part.people, strict=True):
            counts = np.zeros((len(texts), len(vocabulary)), np.float32)
            for row, text in enumerate(texts):
                words = to_ids(tokenise(text), index)
                np.add.at(counts[row], words, 1 / max(1, len(words)))
            used = np.flatnonzero(counts.any(axis=0))
            gram[np.ix_(used, used)] += counts[:, used].T @ counts[:, used]
            product[used] += counts[:, used].T @ people
    return np.linalg.solve(gram, product).astype(np.float32)


def agreement_level(parts: Sequence[Captioned]) -> float:
    """Return what the mean cosine of a person's caption to the others of its photo exceeds for all but ``AGREE``."""
    found = []
    for people in (people for part in parts for people in part.people if len(people) > 1):
        cosines = people @ people.T
        found.extend((cosines.sum(axis=1) - np.diag(cosines)) / (len(people) - 1))
    return float(np.quantile(found, AGREE))


def judge(model: ShowAttendTell, part: Captioned, level: float, sentences: SentenceEncoder) -> Judged:
    """Caption photos, and tell which captions are right by people's own."""
    (features,) = part.features
    found = []
    for start in range(0, len(features), 32):
        found += model.search(torch.from_numpy(np.array(features[start : start + 32])), beams=4, max_tokens=24)
    embedded = sentences.encode([join_words([model.vocabulary[word] for word in one.words]) for one in found])
    cosines = [float((people @ own).mean()) for people, own in zip(part.people, embedded, strict=True)]
    return Judged(
        mean_vectors(features),
        [one.words for one in found],
        [one.log_probabilities[: len(one.words)] for one in found],
        np.array(cosines) >= level,
    )


def fit_logistic(inputs: Floats, right: Bools, steps: int = 50) -> Floats:
    """Return the coefficients and the intercept of a logistic regression, by Newton's method."""
    middle, spread = inputs.mean(axis=0), inputs.std(axis=0)
    scaled = np.column_stack([(inputs - middle) / spread, np.ones(len(inputs))])
    penalty = np.diag([1.0] * inputs.shape[1] + [0.0])  # as good as none, and keeps separable data finite
    weights = np.zeros(scaled.shape[1])
    for _ in range(steps):
        chances = 1 / (1 + np.exp(-scaled @ weights))
        hessian = scaled.T @ (scaled * (chances * (1 - chances))[:, None]) + penalty
        weights -= np.linalg.solve(hessian, scaled.T @ (chances - right) + penalty @ weights)
    slopes = weights[:-1] / spread
    return np.append(slopes, weights[-1] - slopes @ middle).astype(np.float32)


def calibration_error(chances: Floats, right: Bools, bins: int = BINS) -> float:
    """Return the mean distance between what was promised and what came true, over bins of equal width."""
    places = np.minimum((chances * bins).astype(int), bins - 1)
    return sum(
        float((places == place).mean() * abs(chances[places == place].mean() - right[places == place].mean()))
        for place in np.unique(places)
    )


def roc_area(chances: Floats, right: Bools) -> float:
    """Return the chance that a right caption has a higher confidence than a wrong one (ties count half)."""
    above = chances[right][:, None] - chances[~right][None]
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def figures_of(confidence: ConfidenceModel, judged: Judged) -> dict[str, float]:
    """Measure how well the probabilities hold."""
    chances = np.array(
        [
            confidence.estimate(picture, words, logs)
            for picture, words, logs in zip(judged.pictures, judged.words, judged.log_probabilities, strict=True)
        ],
        dtype=np.float32,
    )
    return {
        "captions": len(chances),
        "right": float(judged.right.mean()),
        "mean confidence": float(chances.mean()),
        "expected calibration error": calibration_error(chances, judged.right),
        "Brier score": float(np.square(chances - judged.right).mean()),
        "ROC area": roc_area(chances, judged.right),
        "guesses below 0.5": float((chances < 0.5).mean()),
        "right among the others": float(judged.right[chances >= 0.5].mean()) if (chances >= 0.5).any() else 0.0,
    }


def joined(parts: Sequence[Judged]) -> Judged:
    return Judged(
        np.concatenate([part.pictures for part in parts]),
        [words for part in parts for words in part.words],
        [logs for part in parts for logs in part.log_probabilities],
        np.concatenate([part.right for part in parts]),
    )


def main(argv: Sequence[str] | None = None) -> None:
    recipe = parse_recipe(CaptionConfidenceRecipe, __doc__, argv)
    device = torch.device(recipe.device)
    model, sentences = ShowAttendTell.load(recipe.model, device, torch.bfloat16), SentenceEncoder(device)

    train = [read(recipe, data, "train", model) for data in recipe.data]
    projection, offset = fit_pictures(train, recipe.picture_ridge)
    words = fit_words(train, model.vocabulary, recipe.word_ridge)

    held_out = [read(recipe, data, "val", model) for data in recipe.data]
    level = agreement_level(held_out)
    blank = ConfidenceModel(projection, offset, words, np.zeros(3, np.float32), level, model.revision)
    judged = joined([judge(model, part, level, sentences) for part in held_out])
    inputs = np.array(
        [
            [blank.agreement(picture, said), float(np.mean(logs))]
            for picture, said, logs in zip(judged.pictures, judged.words, judged.log_probabilities, strict=True)
        ],
        dtype=np.float32,
    )
    coefficients = fit_logistic(inputs, judged.right)
    ConfidenceModel(projection, offset, words, coefficients, level, model.revision).save(recipe.model)
    confidence = ConfidenceModel.load(recipe.model)  # as it will be used, in float16

    tests = [judge(model, read(recipe, data, "test", model), level, sentences) for data in recipe.data]
    named = {data.name: part for data, part in zip(recipe.data, tests, strict=True)}
    figures = {
        "level": level,
        "coefficients": confidence.coefficients.tolist(),
        "validation": figures_of(confidence, judged),
        "test": {"all": figures_of(confidence, joined(tests))}
        | {name: figures_of(confidence, part) for name, part in named.items()},
    }
    (recipe.model / "confidence_figures.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
