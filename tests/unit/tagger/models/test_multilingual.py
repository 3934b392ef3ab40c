"""The head of the multilingual side, its folder, and when its encoder is loaded (which has tests of its own)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from framesense.models.encoders.e5 import DIMENSIONS, MultilingualUnavailableError
from tagger.models.multilingual import WEIGHTS_FILE, MultilingualHead, MultilingualTexts, load_head, save_head


class Encoder:
    """A vector of its own for each text, and a record of what was encoded."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, sentences: Sequence[str]) -> np.ndarray:
        self.encoded.extend(sentences)
        vectors = np.stack([np.random.default_rng(sum(map(ord, text))).normal(size=DIMENSIONS) for text in sentences])
        return vectors.astype(np.float32)


def head() -> MultilingualHead:
    torch.manual_seed(0)
    return MultilingualHead(hidden=16).eval()


def test_a_head_survives_its_folder(tmp_path: Path) -> None:
    save_head(tmp_path, head())
    loaded = load_head(tmp_path)
    assert loaded is not None
    vectors = torch.randn(3, DIMENSIONS)
    torch.testing.assert_close(loaded(vectors), head()(vectors), atol=0.01, rtol=0)
    torch.testing.assert_close(loaded(vectors).norm(dim=1), torch.ones(3))


def test_folders_without_a_head(tmp_path: Path) -> None:
    assert load_head(tmp_path) is None
    (tmp_path / WEIGHTS_FILE).write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match="does not hold"):
        load_head(tmp_path)


def test_the_encoder_is_loaded_once_and_not_before_it_is_needed() -> None:
    loaded: list[Encoder] = []

    def load() -> Encoder:
        loaded.append(Encoder())
        return loaded[-1]

    texts = MultilingualTexts(head(), load)
    assert loaded == []
    first, second = texts.encode(["Кошка"]), texts.encode(["кошка", "пёс"])
    assert (len(loaded), loaded[0].encoded) == (1, ["кошка", "кошка", "пес"])
    np.testing.assert_allclose(first[0], second[0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(second, axis=1), 1, rtol=1e-5)


def test_an_encoder_that_cannot_be_loaded_is_tried_again() -> None:
    faults = [MultilingualUnavailableError("no such package")]

    def load() -> Encoder:
        if faults:
            raise faults.pop()
        return Encoder()

    texts = MultilingualTexts(head(), load)
    with pytest.raises(MultilingualUnavailableError, match="no such package"):
        texts.encode(["кошка"])
    assert texts.encode(["кошка"]).shape == (1, DIMENSIONS)
