"""A handful of labelled photos a class → a better head, and by how much on photos it had not seen.

Ridge regression towards the words. With X the photos' embeddings (n × d, centred), Y their classes as ±1 and W₀ what
the words alone say, W = argmin ‖X Wᵀ − Y‖² + λ‖W − W₀‖² has a closed form (Hoerl & Kennard, 1970, around W₀ instead of
0). A large λ keeps the words, a small one follows the photos; λ is chosen by cross-validation. The gain that is
reported comes from an outer cross-validation: each photo is judged by a head, λ and all, that was made without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framesense.schemas.classifiers import FewShotGain
from tagger.tags.calibration import Calibration

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.intp]

STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
MOST_FOLDS = 5


@dataclass(frozen=True)
class Improved:
    weights: Floats
    """labels × dimensions: log-odds = embedding @ weights.T + bias."""
    bias: Floats
    gain: FewShotGain


@dataclass(frozen=True)
class _Words:
    """Hold the classifier of the words alone, as an affine map of embeddings, since every calibration is one."""

    weights: Doubles
    bias: Doubles

    @classmethod
    def of(cls, text: Floats, calibration: Calibration) -> _Words:
        dimensions = text.shape[1]
        probes = np.vstack([np.zeros((1, dimensions)), np.eye(dimensions)]).astype(np.float32)
        values = calibration.log_odds(probes, text).astype(np.float64)
        return cls((values[1:] - values[0]).T, values[0])


def improve(text: Floats, images: Floats, truth: Integers, labels: Sequence[str], calibration: Calibration) -> Improved:
    """Improve a head of words by labelled photos.

    Args:
        text: labels × d, the head of words.
        images: n × d embeddings of labelled photos, L2-normalised.
        truth: n indices into ``labels``.

    Raises ValueError for fewer than 2 classes with photos, or a class with a single photo, which cannot be held out.
    """
    counts = np.bincount(truth, minlength=len(labels))
    present = counts[counts > 0]
    if len(present) < 2:
        raise ValueError("photos of at least 2 labels are needed")
    if present.min() < 2:
        lone = labels[int(np.flatnonzero(counts == 1)[0])]
        raise ValueError(f"there is one photo of {lone!r}; at least 2 of each label are needed to hold one out")
    words, folds = _Words.of(text, calibration), int(min(MOST_FOLDS, present.min()))
    x = images.astype(np.float64)
    part = _parts(truth, folds)
    before = (x @ words.weights.T + words.bias).argmax(1) == truth
    after = np.zeros_like(before)
    for fold in range(folds):
        train, held = part != fold, part == fold
        strength = _choose_strength(words, x[train], truth[train])
        weights, bias = _ridge(words, x[train], truth[train], strength)
        after[held] = (x[held] @ weights.T + bias).argmax(1) == truth[held]
    difference = after.astype(np.float64) - before
    margin = 1.96 * float(difference.std()) / np.sqrt(len(x))
    kept = bool(difference.mean() > 0)
    strength = _choose_strength(words, x, truth)
    weights, bias = _ridge(words, x, truth, strength) if kept else (words.weights, words.bias)
    gain = FewShotGain(
        photos=len(x),
        photos_by_label={label: int(count) for label, count in zip(labels, counts, strict=True)},
        folds=folds,
        accuracy_before=float(before.mean()),
        accuracy_after=float(after.mean()),
        gain=float(difference.mean()),
        margin=margin,
        strength=strength,
        kept=kept,
    )
    return Improved(weights.astype(np.float32), bias.astype(np.float32), gain)


def _parts(truth: Integers, folds: int) -> Integers:
    """Choose the fold that each photo is held out in: every class is spread over all folds, always in the same way."""
    part = np.empty(len(truth), np.intp)
    shuffled = np.random.default_rng(0).permutation(len(truth))
    for label in np.unique(truth):
        members = shuffled[truth[shuffled] == label]
        part[members] = np.arange(len(members)) % folds
    return part


def _choose_strength(words: _Words, x: Doubles, truth: Integers) -> float:
    """Choose the λ with the best cross-validated accuracy; the larger, nearer to the words, of equals."""
    counts = np.bincount(truth)
    folds = int(min(MOST_FOLDS, counts[counts > 0].min()))
    if folds < 2:
        return STRENGTHS[len(STRENGTHS) // 2]
    part = _parts(truth, folds)
    right = dict.fromkeys(STRENGTHS, 0)
    for fold in range(folds):
        train, held = part != fold, part == fold
        for strength in STRENGTHS:
            weights, bias = _ridge(words, x[train], truth[train], strength)
            right[strength] += int(((x[held] @ weights.T + bias).argmax(1) == truth[held]).sum())
    return max(STRENGTHS, key=lambda strength: (right[strength], strength))


def _ridge(words: _Words, x: Doubles, truth: Integers, strength: float) -> tuple[Doubles, Doubles]:
    """Solve W − W₀ = (Y − X W₀ᵀ)ᵀ (X Xᵀ + λI)⁻¹ X: the dual form, n × n where n is small.

    The words' log-odds are scaled to unit spread first, so that λ means the same for every model. A column of ones, as
    long as the photos are apart, lets the bias move as freely as the weights. For a label without photos every photo
    is a wrong one.
    """
    classes = words.weights.shape[0]
    scores = x @ words.weights.T + words.bias
    scores -= scores.mean(1, keepdims=True)  # what all labels of a photo share changes no answer
    spread = max(float(scores.std()), 1e-6)
    targets = np.full((len(x), classes), -1.0)
    targets[np.arange(len(x)), truth] = 1
    targets -= targets.mean(1, keepdims=True)
    counts = np.bincount(truth, minlength=classes)
    weight = np.sqrt(1 / counts[truth])[:, np.newaxis]  # each class counts the same
    weight /= weight.mean()
    centre = x.mean(0)
    length = max(float(np.sqrt((x - centre).var(0).sum())), 1e-6)
    columns = np.hstack([x - centre, np.full((len(x), 1), length)]) * weight
    residual = (targets - scores / spread) * weight
    gram = columns @ columns.T
    gram[np.diag_indices_from(gram)] += strength * length**2  # λ relative to the photos' own spread
    change = spread * np.linalg.solve(gram, residual).T @ columns
    bias = words.bias + change[:, -1] * length - change[:, :-1] @ centre
    return words.weights + change[:, :-1], bias
