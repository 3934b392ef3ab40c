"""The calibration of the captioner's confidence: regressions against data made up, figures against known values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from training.caption_confidence import (
    Captioned,
    agreement_level,
    calibration_error,
    fit_logistic,
    fit_pictures,
    fit_words,
    roc_area,
)
from training.data import Photo


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def captioned(chance: np.random.Generator, photos: int = 60) -> Captioned:
    """Photos whose captions' embeddings are a linear function of the mean of their features, and of their words."""
    meanings = chance.normal(size=(3, 384))
    features = chance.normal(size=(photos, 81, 3)).astype(np.float16)
    means = features.astype(np.float32).mean(1)
    words = [[f"word{n}" for n in chance.choice(3, 2, replace=False)] for _ in range(photos)]
    people = [np.repeat((mean @ meanings)[None].astype(np.float32), 2, axis=0) for mean in means]
    texts = [[" ".join(said), " ".join(said)] for said in words]
    return Captioned([Photo(Path("x"), [])] * photos, texts, people, [features])


def test_pictures_are_projected_to_where_their_captions_lie() -> None:
    part = captioned(np.random.default_rng(1))
    projection, offset = fit_pictures([part], 1e-3)
    predicted = part.features[0].astype(np.float32).mean(1) @ projection + offset
    np.testing.assert_allclose(predicted, [people[0] for people in part.people], atol=0.01)


def test_words_add_up_to_sentences() -> None:
    chance = np.random.default_rng(2)
    part = captioned(chance)
    meanings = {f"word{n}": chance.normal(size=384) for n in range(3)}
    people = [
        np.stack([np.mean([meanings[word] for word in text.split()], axis=0) for text in texts]).astype(np.float32)
        for texts in part.texts
    ]
    rows = fit_words([Captioned(part.photos, part.texts, people, part.features)], ["<unk>", *meanings], 1e-3)
    np.testing.assert_allclose(rows[1:], list(meanings.values()), atol=0.05)


def test_the_level_is_what_nine_in_ten_captions_reach() -> None:
    same = np.repeat(unit(np.ones((1, 384))), 3, axis=0)
    odd = same.copy()
    odd[0] = 0
    odd[0, 0], odd[0, 1] = 1 / np.sqrt(2), -1 / np.sqrt(2)  # agrees with none
    many = Captioned([], [], [same] * 30, [])
    assert agreement_level([many]) == pytest.approx(1, abs=1e-5)
    assert agreement_level([Captioned([], [], [odd], [])]) == pytest.approx(0.1, abs=1e-5)


def test_logistic_regression_recovers_its_coefficients() -> None:
    chance = np.random.default_rng(3)
    inputs = chance.normal([0.3, -1], [0.2, 0.5], size=(20_000, 2)).astype(np.float32)
    right = chance.random(len(inputs)) < 1 / (1 + np.exp(-(inputs @ [8, 2] - 1)))
    np.testing.assert_allclose(fit_logistic(inputs, right), [8, 2, -1], rtol=0.15)


def test_calibration_error_of_known_promises() -> None:
    chances = np.array([0.05] * 20 + [0.95] * 20 + [1.0], np.float32)
    kept = np.array([False] * 19 + [True] + [True] * 19 + [False] + [True])
    assert calibration_error(chances, kept) == pytest.approx(0, abs=1e-6)
    assert calibration_error(chances, ~kept) == pytest.approx(0.9, abs=0.01)
    assert calibration_error(np.full(10, 0.5, np.float32), np.ones(10, bool)) == pytest.approx(0.5)


def test_area_under_the_curve() -> None:
    right = np.array([True, True, False, False])
    assert roc_area(np.array([0.9, 0.8, 0.2, 0.1], np.float32), right) == 1
    assert roc_area(np.array([0.1, 0.2, 0.8, 0.9], np.float32), right) == 0
    assert roc_area(np.full(4, 0.5, np.float32), right) == 0.5
