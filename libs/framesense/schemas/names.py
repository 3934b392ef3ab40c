"""Names that people give to what is kept for them: label sets, classifiers and references."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

MAX_NAME = 64
MAX_NAME_BYTES = 200
"""In UTF-8: file systems take 255, the ending included."""
NAME_RULE = "up to 64 letters and digits of any script; after the first also . _ and -"
_JOINERS = "\u200c\u200d"
"""Within words of Persian and of Indian scripts."""


def checked_name(name: str) -> str:
    """Return a name in NFC, fit to be a file's and a part of an address. Raises ValueError for any other."""
    composed = unicodedata.normalize("NFC", name)
    fits = 0 < len(composed) <= MAX_NAME and len(composed.encode("utf-8", "replace")) <= MAX_NAME_BYTES
    if not fits or not _begins_name(composed[0]) or not all(map(_continues_name, composed[1:])):
        raise ValueError(f"{name[:80]!r} cannot be a name. A name has {NAME_RULE}")
    return composed


def _begins_name(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LN"


def _continues_name(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LMN" or letter in "._-" or letter in _JOINERS


KeptName = Annotated[
    str,
    AfterValidator(checked_name),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_NAME,
            "pattern": rf"^[\p{{L}}\p{{N}}][\p{{L}}\p{{M}}\p{{N}}._\-{_JOINERS}]*$",
            "description": NAME_RULE,
            "examples": ["night-shift", "комнаты"],
        }
    ),
]
"""A name that :func:`checked_name` takes."""
