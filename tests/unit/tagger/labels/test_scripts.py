"""Which side reads a text, and what the multilingual one makes of its spelling."""

import unicodedata

import pytest

from tagger.labels.scripts import has_cyrillic, normalised


@pytest.mark.parametrize("text", ["кошка", "a photo of a кошка", "фотография: T-shirt", "Київ", "ёж", "қазақ"])
def test_one_cyrillic_letter_is_enough(text: str) -> None:
    assert has_cyrillic(text)


@pytest.mark.parametrize("text", ["cat", "café", "Küche", "猫", "κουζίνα", "", "1 🐈"])
def test_other_scripts(text: str) -> None:
    assert not has_cyrillic(text)


def test_spellings_of_one_text_are_one() -> None:
    spellings = ("Ёлка и чай.", "ЕЛКА И ЧАЙ", unicodedata.normalize("NFD", "ёлка и чай"), " елка и чай ")
    assert {normalised(text) for text in spellings} == {"елка и чай"}
