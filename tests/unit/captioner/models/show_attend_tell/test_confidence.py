"""The confidence of captions: reckoned from agreement and log-probabilities, kept beside the weights it belongs to."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from captioner.models.show_attend_tell import (  # noqa: E402
    SPECIAL_WORDS,
    ConfidenceModel,
    Decoder,
    DecoderSizes,
    load_confidence,
    save_decoder,
)
from captioner.models.show_attend_tell.confidence import CONFIDENCE_FILE  # noqa: E402
from captioner.models.show_attend_tell.files import revision_of  # noqa: E402
from tools.settings import ROOT  # noqa: E402

NORTH, EAST = 4, 5
"""Words that point along one axis each."""


@pytest.fixture
def confidence() -> ConfidenceModel:
    """Of pictures of two numbers, which are already where their captions lie."""
    words = np.zeros((6, 2), np.float32)
    words[NORTH], words[EAST] = (0, 3), (1, 0)
    coefficients = np.array([4, 1, -1], np.float32)
    return ConfidenceModel(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), words, coefficients, 0.5, "revision")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    words = [*SPECIAL_WORDS, "north", "east"]
    decoder = Decoder(DecoderSizes(len(words), features=2, embedding=3, hidden=4, attention=2))
    save_decoder(tmp_path, decoder, words, image_size=260, length_penalty=1.0)
    return tmp_path


def test_agreement_is_the_cosine_of_picture_and_words(confidence: ConfidenceModel) -> None:
    picture = np.array([0, 2], np.float32)
    assert confidence.agreement(picture, [NORTH]) == pytest.approx(1)
    assert confidence.agreement(picture, [EAST]) == pytest.approx(0)
    assert confidence.agreement(-picture, [NORTH]) == pytest.approx(-1)
    assert confidence.agreement(picture, [NORTH, EAST]) == pytest.approx(3 / math.sqrt(10))
    assert confidence.agreement(np.zeros(2, np.float32), [NORTH]) == 0
    assert confidence.agreement(picture, [0]) == 0, "a word of no meaning"


def test_the_chance_is_logistic(confidence: ConfidenceModel) -> None:
    picture = np.array([0, 2], np.float32)
    assert confidence.estimate(picture, [NORTH], [-0.5]) == pytest.approx(1 / (1 + math.exp(-(4 - 0.5 - 1))))
    assert confidence.estimate(picture, [NORTH, NORTH], [-3.0, -1.0]) == pytest.approx(1 / (1 + math.exp(-(4 - 2 - 1))))
    assert confidence.estimate(picture, [EAST], [-1e6]) == 0
    sure = replace(confidence, coefficients=np.array([1e6, 0, 0], np.float32))
    assert sure.estimate(picture, [NORTH], [-1.0]) == 1


def test_what_is_saved_is_read_again(confidence: ConfidenceModel, folder: Path) -> None:
    saved = replace(confidence, revision=revision_of(folder))
    saved.save(folder)
    read, missing = load_confidence(folder)
    assert read is not None and missing is None
    assert (read.level, read.revision) == (saved.level, saved.revision)
    for name in ("projection", "offset", "words", "coefficients"):
        np.testing.assert_array_equal(getattr(read, name), getattr(saved, name))
        assert getattr(read, name).dtype == np.float32


def test_without_a_calibration_the_reason_is_told(folder: Path) -> None:
    found, missing = load_confidence(folder)
    assert found is None and missing is not None and "no calibration" in missing


def test_a_calibration_of_other_weights_is_not_used(confidence: ConfidenceModel, folder: Path) -> None:
    confidence.save(folder)
    found, missing = load_confidence(folder)
    assert found is None and missing is not None and "fitted for others (revision)" in missing


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\0" * 64])
def test_a_damaged_file_is_told(folder: Path, content: bytes) -> None:
    (folder / CONFIDENCE_FILE).write_bytes(content)
    with pytest.raises(ValueError, match="holds no calibration"):
        load_confidence(folder)


def test_another_safetensors_file_is_told(folder: Path) -> None:
    (folder / CONFIDENCE_FILE).write_bytes((folder / "decoder.safetensors").read_bytes())
    with pytest.raises(ValueError, match="holds no calibration"):
        load_confidence(folder)


def test_the_embedded_captioner_is_calibrated() -> None:
    found, missing = load_confidence(ROOT / "models" / "captioner-show-attend-tell")
    assert found is not None and missing is None
    assert found.coefficients[0] > 0, "a caption that fits is likelier right"
    assert 0.3 < found.level < 0.6
