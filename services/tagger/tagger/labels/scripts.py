"""Which of the embedded model's two text encoders reads a text: told by the script that it is written in.

The one rule: **a text with a Cyrillic letter in it is read by the multilingual encoder, as a whole**; any other text by
the English one. So a Russian label in an English template ("a photo of a кошка") is one text of the multilingual
encoder, which learnt such mixtures too.
"""

from __future__ import annotations

import re
import unicodedata

_CYRILLIC = re.compile(r"[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]")


def has_cyrillic(text: str) -> bool:
    """Tell whether a text has a Cyrillic letter."""
    return _CYRILLIC.search(text) is not None


def normalised(text: str) -> str:
    """Return a text as the multilingual encoder learnt to read it.

    Capitals, ё for е, й in two code points and a full stop at the end change the encoder's vectors, not the meaning.
    """
    return unicodedata.normalize("NFC", text).lower().replace("ё", "е").strip().rstrip(".").rstrip()
