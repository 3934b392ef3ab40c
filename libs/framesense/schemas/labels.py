"""When two labels are the same one, written differently."""

import unicodedata
from collections.abc import Sequence


def label_key(label: str) -> str:
    """Return what labels have in common that are the same but for case, blanks, ``_``, ``-`` and how accents are
    written.
    """
    composed = unicodedata.normalize("NFC", label)
    return " ".join(composed.replace("_", " ").replace("-", " ").casefold().split())


def repeated_labels(labels: Sequence[str]) -> str | None:
    """Say which labels are there more than once, as ``'cat' and 'Cat'``; None where there are none."""
    spellings: dict[str, list[str]] = {}
    for label in labels:
        spellings.setdefault(label_key(label), []).append(label)
    repeated = [" and ".join(map(repr, found)) for found in spellings.values() if len(found) > 1]
    return "; ".join(repeated[:5]) or None
