"""Heads as files, what is refused of them, and what labelled photos do to them."""

import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from framesense.http.problems import ProblemError
from framesense.schemas.models import ModelInfo
from tagger.classifiers.evaluation import confusion_matrix, evaluate
from tagger.classifiers.few_shot import improve
from tagger.classifiers.heads import Head, load_head, save_head
from tagger.labels.validation import LabelLimits
from tagger.tags.calibration import NeutralCalibration

LIMITS = LabelLimits(10, 50, 5)
MODEL = ModelInfo(
    service="tagger", name="embedded", family="x", revision="abc", device="cpu", dtype="float32", parameters=1
)
LABELS = ["cat", "dog", "cow"]
CALIBRATION = NeutralCalibration(10.0, np.zeros(8, np.float32))


def unit(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def head(**changes: Any) -> Head:
    fields: dict[str, Any] = {"name": "pets", "labels": LABELS, "templates": ["a {label}"], "text": unit(3)}
    return Head(**(fields | {"model_name": "embedded", "model_revision": "abc"} | changes))


def test_a_head_survives_its_file() -> None:
    made = head(weights=unit(3, 1), bias=np.arange(3, dtype=np.float32))
    loaded = load_head(save_head(made), LIMITS)
    np.testing.assert_array_equal(loaded.text, made.text)
    np.testing.assert_array_equal(loaded.weights, made.weights)
    assert (loaded.labels, loaded.templates, loaded.created_at) == (made.labels, made.templates, made.created_at)


def test_another_models_head_is_refused_with_the_reason() -> None:
    head().require_fit(MODEL)
    with pytest.raises(ProblemError, match=r"made by open_clip:x/y \(revision zzz\)") as refused:
        head(model_name="open_clip:x/y", model_revision="zzz").require_fit(MODEL)
    assert refused.value.status == 409


def changed(tensors: dict[str, np.ndarray] | None = None, **metadata: str) -> bytes:
    """A head's file with some of it replaced."""
    content = save_head(head())
    kept = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    return safetensors.numpy.save(tensors or {"text": unit(3)}, kept | metadata)


NAN = unit(3)
NAN[1, 1] = np.nan


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "header"),
        (b"not safetensors at all, only words", ""),
        (save_head(head())[:-10], ""),
        (changed({"text": NAN}), "not finite"),
        (changed({"text": unit(2)}), "shape"),
        (changed({"text": 2 * unit(3)}), "normalised"),
        (changed({"text": unit(3).astype(np.float64)}), "float64"),
        (changed({"words": unit(3)}), "text"),
        (changed({"text": unit(3), "extra": unit(3)}), "unexpected"),
        (changed({"text": unit(3), "bias": np.zeros(3, np.float32)}), "only one"),
        (changed(format="other"), "format"),
        (changed(labels="[]"), "no labels"),
        (changed(labels='["a", 1, "b"]'), "texts"),
        (changed(labels="{"), ""),
        (changed(templates='["no place"]'), "no {label}"),
        (changed(created_at="yesterday"), "isoformat"),
        (changed(name="../x"), "name"),
        (safetensors.numpy.save({"text": unit(3)}), "metadata"),
    ],
)
def test_files_that_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ProblemError) as refused:
        load_head(content, LIMITS)
    assert refused.value.status == 422
    assert reason in refused.value.detail


def test_classify_ranks_all_labels() -> None:
    text = unit(3)
    answer = head(text=text).classify("x.jpg", text[1], CALIBRATION)
    assert answer.ranking[0].label == "dog"
    assert sum(one.probability for one in answer.ranking) == pytest.approx(1, abs=1e-4)
    assert answer.ranking[0].cosine == pytest.approx(1, abs=1e-4)


# ------------------------------------------------------------------------------------------------------- few-shot


def photos(a_class: int, seed: int, spread: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Photos around a point for each of 3 classes; the points have nothing to do with the words."""
    chance = np.random.default_rng(seed)
    points, truth = unit(3, 99), np.repeat(np.arange(3), a_class)
    images = points[truth] + spread * chance.normal(size=(len(truth), 8)) / np.sqrt(8)
    return (images / np.linalg.norm(images, axis=1, keepdims=True)).astype(np.float32), truth


def test_photos_improve_words_that_say_nothing() -> None:
    text = unit(3)
    images, truth = photos(8, 0)
    improved = improve(text, images, truth, LABELS, CALIBRATION)
    assert improved.gain.kept
    assert improved.gain.accuracy_after == pytest.approx(improved.gain.accuracy_before + improved.gain.gain)
    unseen, unseen_truth = photos(50, 1)
    before = (CALIBRATION.log_odds(unseen, text).argmax(1) == unseen_truth).mean()
    after = ((unseen @ improved.weights.T + improved.bias).argmax(1) == unseen_truth).mean()
    assert after > 0.9 > before
    assert improved.gain.accuracy_after == pytest.approx(after, abs=0.15)


def test_labels_at_random_bring_no_gain() -> None:
    images, truth = photos(10, 0)
    shuffled = np.random.default_rng(3).permutation(truth)
    assert improve(unit(3), images, shuffled, LABELS, CALIBRATION).gain.accuracy_after < 0.6


def test_a_head_that_photos_make_worse_stays_as_it_is() -> None:
    text, (images, truth) = unit(3, 99), photos(4, 0, spread=0.05)
    improved = improve(text, images, truth, LABELS, CALIBRATION)
    assert improved.gain.accuracy_before == 1
    assert not improved.gain.kept
    np.testing.assert_allclose(
        images @ improved.weights.T + improved.bias, CALIBRATION.log_odds(images, text), atol=1e-4
    )


@pytest.mark.parametrize(("truth", "reason"), [([0, 0, 0], "2 labels"), ([0, 0, 1], "one photo of 'dog'")])
def test_too_few_photos(truth: list[int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        improve(unit(3), unit(3), np.array(truth), LABELS, CALIBRATION)


# ----------------------------------------------------------------------------------------------------- evaluation


def test_confusion_matrix() -> None:
    truth, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert confusion_matrix(truth, predicted, 3).tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


def test_evaluation() -> None:
    probability = np.array([[0.9, 0.1, 0], [0.3, 0.7, 0], [0.05, 0.95, 0]], np.float32)
    truth = np.array([0, 0, 2])
    found = evaluate("pets", LABELS, ["a", "b", "c"], truth, probability, model=MODEL, warnings=[])
    assert found.accuracy == pytest.approx(1 / 3)
    assert [(one.label, one.accuracy, one.precision) for one in found.per_class] == [
        ("cat", 0.5, 1.0),
        ("dog", None, 0.0),
        ("cow", 0.0, None),
    ]
    mistakes = [(one.image, one.label, one.predicted) for one in found.mistakes]
    assert mistakes == [("c", "cow", "dog"), ("b", "cat", "dog")]
