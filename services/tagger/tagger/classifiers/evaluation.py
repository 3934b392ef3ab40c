"""Labelled photos and what a classifier says of them → confusion matrix, accuracy a class, mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from framesense.schemas.classifiers import ClassAccuracy, EvaluationResponse, Mistake
from framesense.schemas.models import ModelInfo

Floats = NDArray[np.float32]
Integers = NDArray[np.intp]


def confusion_matrix(truth: Integers, predicted: Integers, labels: int) -> Integers:
    """Count labels × labels: rows are what is true, columns what was predicted."""
    counts: Integers = np.bincount(truth * labels + predicted, minlength=labels * labels).reshape(labels, labels)
    return counts


def evaluate(
    classifier: str,
    labels: Sequence[str],
    names: Sequence[str],
    truth: Integers,
    probability: Floats,
    *,
    model: ModelInfo,
    warnings: list[str],
) -> EvaluationResponse:
    """Measure a classifier on n ≥ 1 photos: ``truth`` (n) are indices into ``labels``, ``probability`` is n ×
    labels.
    """
    predicted = probability.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, len(labels))
    wrong = [int(row) for row in np.flatnonzero(predicted != truth)]
    wrong.sort(key=lambda row: -probability[row, predicted[row]])
    return EvaluationResponse(
        classifier=classifier,
        photos=len(names),
        accuracy=float((predicted == truth).mean()),
        labels=list(labels),
        confusion=confusion.tolist(),
        per_class=[_class_accuracy(label, k, confusion) for k, label in enumerate(labels)],
        mistakes=[
            Mistake(
                image=names[row],
                label=labels[truth[row]],
                predicted=labels[predicted[row]],
                probability=round(float(probability[row, predicted[row]]), 5),
            )
            for row in wrong
        ],
        warnings=warnings,
        model=model,
    )


def _class_accuracy(label: str, k: int, confusion: Integers) -> ClassAccuracy:
    right, photos, given = int(confusion[k, k]), int(confusion[k].sum()), int(confusion[:, k].sum())
    return ClassAccuracy(
        label=label,
        photos=photos,
        accuracy=right / photos if photos else None,
        precision=right / given if given else None,
    )
