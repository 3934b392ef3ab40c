"""Read texts that callers write: lists of labels and templates in a form's field, and whatever JSON lets through."""

import json
from collections.abc import Sequence

from framesense.schemas.tags import LABEL_PLACE

_BYTE_ORDER_MARK = "\ufeff"
_OTHER_SEPARATORS = ";|\t；，、،؛"
"""What other programs, spreadsheets and languages put between the words of a list."""


def split_texts(values: Sequence[str]) -> list[str]:
    """Split a form's field into its texts: the field repeated, or once with a JSON array, one a line, or commas
    between.

    A line that holds ``{label}`` is a template, and keeps its commas. A byte order mark in front, as editors on
    Windows write it, is dropped. Raises ValueError for what begins like a JSON array and is none.
    """
    texts = [value.removeprefix(_BYTE_ORDER_MARK) for value in values]
    if len(texts) != 1:
        return texts
    (text,) = texts
    if text.lstrip().startswith("["):
        return read_text_list(text)
    if "\n" in text.strip() or LABEL_PLACE in text:
        return text.strip().splitlines()
    return text.split(",") if text.strip() else []


def split_labels(values: Sequence[str]) -> list[str]:
    """Split a form's field into labels, as :func:`split_texts` does; a comma at the end is one too many.

    Raises ValueError for a single text with another separator in it, which would count as one label.
    """
    labels = split_texts(values)
    if len(values) != 1 or values[0].removeprefix(_BYTE_ORDER_MARK).lstrip().startswith("["):
        return labels
    for label in labels:
        if found := next((separator for separator in _OTHER_SEPARATORS if separator in label), None):
            raise ValueError(
                f"{label.strip()[:40]!r} has {found!r} in it. Put commas between labels; one that has it in its name "
                'is sent as a JSON array: ["cat", "dog"]'
            )
    return labels[:-1] if len(labels) > 1 and not labels[-1].strip() else labels


def read_text_list(document: str) -> list[str]:
    """Return the texts of a JSON array of texts. Raises ValueError for anything else, however deep or long."""
    try:
        texts = json.loads(document)
    except RecursionError:
        raise ValueError("it begins like a JSON array but is nested too deeply") from None
    except ValueError as error:  # not JSON, or a number of more digits than Python reads
        raise ValueError(f"it begins like a JSON array but is none: {error}") from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError('it must be a JSON array of texts alone: ["cat", "dog"]')
    for text in texts:
        if text != encodable(text):
            raise ValueError(f"{text[:40]!r} is no text: it holds half of a UTF-16 pair")
    return texts


def encodable(text: str) -> str:
    """Return the text with a question mark for each half of a UTF-16 pair, which JSON escapes but UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
