"""Keep file names as people write them, and make the same name the same text.

macOS writes names decomposed (NFD), Windows and Linux mostly composed (NFC): both are NFC here. Joiners stay, since
emoji and Persian words are made of them; what goes is what breaks a line, a terminal or the order of reading.
"""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that no name needs: controls, halves of UTF-16 pairs, ends of lines, paragraphs."""
_BIDI_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates, which show ``gpj.exe`` as ``exe.jpg`` (UAX #9); marks such as U+200F stay."""


def clean_name(name: str) -> str:
    """Return a name in NFC, without control and bidi-override characters."""
    kept = (letter for letter in name if unicodedata.category(letter) not in _HIDDEN and letter not in _BIDI_OVERRIDES)
    return unicodedata.normalize("NFC", "".join(kept))
