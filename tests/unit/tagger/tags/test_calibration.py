"""Scores: levels from closed form, probabilities, tags over a threshold."""

from pathlib import Path

import numpy as np
import pytest

from framesense.schemas.tags import ThresholdOn
from tagger.tags.calibration import (
    BackgroundCalibration,
    NeutralCalibration,
    SigmoidCalibration,
    probabilities,
    shares,
)
from tagger.tags.tagging import Scores, TagRule, choose_tags

chance = np.random.default_rng(0)


def unit(*shape: int) -> np.ndarray:
    vectors = chance.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_level_in_closed_form_is_what_measuring_each_label_gives() -> None:
    background, texts = unit(500, 12), unit(7, 12)
    mean, deviation = BackgroundCalibration.measure(background).level(texts)
    cosines = background @ texts.T
    np.testing.assert_allclose(mean, cosines.mean(0), atol=1e-6)
    np.testing.assert_allclose(deviation, cosines.std(0, ddof=1), rtol=1e-4)


def test_background_survives_its_file(tmp_path: Path) -> None:
    background = BackgroundCalibration.measure(unit(100, 12))
    background.save(tmp_path)
    loaded = BackgroundCalibration.load(tmp_path)
    images, texts = unit(5, 12), unit(3, 12)
    np.testing.assert_allclose(loaded.log_odds(images, texts), background.log_odds(images, texts), atol=0.01)


def test_a_label_that_fits_everything_wins_by_cosine_only() -> None:
    common, rare, noise = np.eye(3, 8, dtype=np.float32)
    level = np.linspace(0.75, 0.85, 40)[:, None]
    reference = level * common + 0.02 * chance.normal(size=(40, 1)) * rare + 0.5 * chance.normal(size=(40, 1)) * noise
    calibration = BackgroundCalibration.measure(reference.astype(np.float32))
    image, labels = (0.8 * common + 0.3 * rare)[None].astype(np.float32), np.stack([common, rare])
    assert (image @ labels.T).argmax() == 0
    assert calibration.log_odds(image, labels).argmax() == 1


def test_probabilities_and_shares() -> None:
    odds = np.array([[0.0, 700.0, -700.0], [1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_allclose(probabilities(odds)[0], [0.5, 1, 0])
    assert np.isfinite(shares(odds)).all()
    np.testing.assert_allclose(shares(odds).sum(1), 1, rtol=1e-6)


def test_siglip_is_calibrated_as_it_was_trained() -> None:
    images, texts = unit(4, 6), unit(2, 6)
    expected = 1 / (1 + np.exp(-(10 * images @ texts.T - 8)))
    found = probabilities(SigmoidCalibration(10, -8).log_odds(images, texts))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_neutral_prompts_are_the_middle() -> None:
    images, (neutral,) = unit(3, 6), unit(1, 6)
    odds = NeutralCalibration(100, neutral).log_odds(images, neutral[None])
    np.testing.assert_allclose(odds, 0, atol=1e-4)


def tags(cosine: list[float], **rule: object) -> list[str]:
    values = np.array([cosine], np.float32)
    asked = {"threshold": 0.5, "threshold_on": ThresholdOn.COSINE, "top_k": None} | rule
    (image,) = choose_tags(["x"], ["a", "b", "c"], Scores(values, values), TagRule(**asked))
    return [tag.label for tag in image.tags]


def test_every_label_over_the_threshold_the_best_first() -> None:
    assert tags([0.6, 0.2, 0.9]) == ["c", "a"]
    assert tags([0.6, 0.5, 0.9]) == ["c", "a", "b"]


def test_the_single_best_where_none_is_over() -> None:
    assert tags([0.1, 0.3, 0.2]) == ["b"]


def test_top_k() -> None:
    assert tags([0.6, 0.7, 0.9], top_k=2) == ["c", "b"]


@pytest.mark.parametrize("count", [0, 1])
def test_a_background_takes_two_photos(count: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        BackgroundCalibration.measure(np.zeros((count, 4), np.float32))
