"""Words and signs that a model which learnt English makes little of."""

import pytest
import torch

from framesense.models.encoders.minilm import SentenceEncoder
from tagger.labels.english import EnglishWords


@pytest.fixture(scope="module")
def english() -> EnglishWords:
    return EnglishWords(SentenceEncoder(torch.device("cpu")).word_pieces)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a black cat", []),
        ("a cafe — 20 °C, 5 €", []),
        ("\U0001f431", ["\U0001f431"]),
        ("a \U0001f431 on a sofa", ["\U0001f431"]),
        ("\U0001f469‍\U0001f680 in space", ["\U0001f469‍\U0001f680"]),
        ("Katze ❤️", ["Katze", "❤️"]),
        ("???", ["???"]),
        ("2024", []),
    ],
)
def test_what_is_unknown(english: EnglishWords, text: str, unknown: list[str]) -> None:
    assert english.unknown(text) == unknown
