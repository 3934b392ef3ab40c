"""Searching captions."""

import pytest

from ui.video.search import find_captions

CAPTIONS = ["a car in the street", "a man with a scarf", "a red cart (old)", "A Car, parked"]


@pytest.mark.parametrize(
    ("query", "whole_words", "found"),
    [
        ("", False, [0, 1, 2, 3]),
        ("  ", True, [0, 1, 2, 3]),
        ("car", False, [0, 1, 2, 3]),
        ("car", True, [0, 3]),
        ("CAR street", False, [0]),
        ("(old)", False, [2]),
        (".*", False, []),
        ("xylophone", True, []),
    ],
)
def test_captions_that_hold_every_word(query: str, whole_words: bool, found: list[int]) -> None:
    assert find_captions(CAPTIONS, query, whole_words=whole_words) == found
