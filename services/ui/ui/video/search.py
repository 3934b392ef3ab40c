"""Searching captions."""

import re
from collections.abc import Sequence


def find_captions(captions: Sequence[str], query: str, *, whole_words: bool) -> list[int]:
    """Return the indices of the captions that hold every word of ``query``, whatever its case.

    An empty query finds all of them. Without ``whole_words``, ``car`` also finds *cart* and *scarf*.
    """
    edge = r"\b" if whole_words else ""
    patterns = [re.compile(f"{edge}{re.escape(word)}{edge}", re.IGNORECASE) for word in query.split()]
    return [index for index, caption in enumerate(captions) if all(pattern.search(caption) for pattern in patterns)]
