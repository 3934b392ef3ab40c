"""Guess the encoding of short texts that do not tell it: names in zips, tables that spreadsheets save.

Statistics over letters need more text than a dozen names have. A wrong code page shows in other ways: it puts symbols,
two alphabets or a capital into the middle of a word. That settles the pages of one byte a character; among the East
Asian ones charset-normalizer chooses.
"""

import re
import unicodedata
from collections.abc import Sequence

from charset_normalizer import from_bytes

OEM_PAGES = ("cp437", "cp850", "cp866", "cp1251", "cp1252", "cp852", "cp737", "cp857", "cp862", "cp1250", "cp1253")
"""What zip tools write on Windows: the console's code page first, then the system's."""
ANSI_PAGES = ("cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255", "cp866", "cp850", "cp852", "cp737")
"""What spreadsheets write on Windows: the system's code page first, then the console's."""
EAST_ASIAN = ("cp932", "gbk", "big5", "cp949")
_PUNCTUATION = re.compile("[–—’]|№(?= ?[0-9])")
"""Outside ASCII, and ordinary in names all the same."""
_WORD = re.compile(r"[^\W\d_]+")
_MOST_ACCENTS = 0.6
"""Share of a Latin word's letters that may have accents: Cyrillic in a Western code page has nothing else."""


def decode_text(raw: bytes, pages: Sequence[str]) -> tuple[str, str]:
    """Decode bytes of an unknown encoding, and return the text and the encoding's name.

    ``pages``: code pages of one byte a character, the likeliest first. UTF-8, and UTF-16 with a byte order mark, are
    told for certain; the rest is a guess.
    """
    encoding = guess_encoding(raw, pages)
    return raw.decode(encoding, "replace"), encoding


def guess_encoding(raw: bytes, pages: Sequence[str]) -> str:
    """Return the name of the encoding in which bytes read like words. See :func:`decode_text`."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if _decoded(raw, "utf-8") is not None:
        return "utf-8-sig"
    odd = {page: _odd_share(text) for page in (*pages, *EAST_ASIAN) if (text := _decoded(raw, page)) is not None}
    best = min(odd, key=lambda page: odd[page], default=pages[0])
    if best not in EAST_ASIAN:
        return best
    equals = [name for name in EAST_ASIAN if odd.get(name) == odd[best]]
    common = [name for name in equals if _is_everyday(raw, name)] or equals
    match = from_bytes(raw, cp_isolation=common, threshold=1.0, preemptive_behaviour=False).best()
    return match.encoding if match else common[0]


def _is_everyday(raw: bytes, encoding: str) -> bool:
    """Tell whether an East Asian text keeps to everyday characters: the first level, and Korean without hanja."""
    if encoding == "gbk":
        return _decoded(raw, "gb2312") is not None
    if encoding == "cp949":
        return not any("\u4e00" <= letter <= "\u9fff" for letter in _decoded(raw, "euc_kr") or "\u4e00")
    if encoding == "big5":
        return all(letter.encode("big5")[0] <= 0xC6 for letter in _decoded(raw, "big5") or "")
    return True


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _odd_share(text: str) -> float:
    """Return the share of what is not ASCII that no text would have: symbols, and words that are none."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    symbols = [letter for letter in _PUNCTUATION.sub("", text) if not letter.isascii() and _is_symbol(letter)]
    found = len(words) + len(symbols)
    return (sum(map(_is_odd, words)) + len(symbols)) / found if found else 0.0


def _is_symbol(letter: str) -> bool:
    """Tell whether a character is no letter, mark or digit."""
    category = unicodedata.category(letter)
    return category[0] not in "LMN" or category in ("Lm", "No")


def _is_odd(word: str) -> bool:
    """Tell whether a word mixes alphabets, has capitals where none belong, or nothing but accents."""
    alphabets = {unicodedata.name(letter, "?").split()[0] for letter in word}
    japanese = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}
    if len(alphabets) > 1 and not alphabets <= japanese:
        return True
    cases = "".join("a" if letter.islower() else "A" if letter.isupper() else "-" for letter in word)
    if "aA" in cases or "AAa" in cases:
        return True
    accents = sum(not letter.isascii() for letter in word)
    return alphabets == {"LATIN"} and len(word) > 3 and accents > _MOST_ACCENTS * len(word)
