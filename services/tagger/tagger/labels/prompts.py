"""Labels and templates → text embeddings: "a photo of a {label}", averaged over templates, remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from framesense.schemas.tags import LABEL_PLACE

Floats = NDArray[np.float32]

BATCH = 64
"""Texts a model call."""


class TextCache:
    """Keep the embeddings of the texts used last; for any number of threads, which encode one after another."""

    def __init__(self, encode: Callable[[Sequence[str]], Floats], size: int) -> None:
        self._encode, self._size = encode, size
        self._known: OrderedDict[str, Floats] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embed n ≥ 1 texts: n × d, L2-normalised; each different new text is encoded once."""
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
            new = [text for text in dict.fromkeys(texts) if text not in found]
            new.sort(key=len)  # texts of one length make the tightest batches
            for start in range(0, len(new), BATCH):
                batch = new[start : start + BATCH]
                found.update(zip(batch, self._encode(batch), strict=True))
            for text in dict.fromkeys(texts):
                self._known[text] = found[text]
                self._known.move_to_end(text)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return np.stack([found[text] for text in texts])


def fill(template: str, label: str) -> str:
    return template.replace(LABEL_PLACE, label)


def ensemble(cache: TextCache, labels: Sequence[str], templates: Sequence[str]) -> Floats:
    """Embed m labels: m × d, the mean of each label's templates, each normalised before and the mean again (CLIP,
    3.1.4).
    """
    texts = [fill(template, label) for label in labels for template in templates]
    embeddings = cache.encode(texts).reshape(len(labels), len(templates), -1)
    means = embeddings.mean(axis=1)
    # Templates that cancel each other out leave nothing to point with; such a label is like no picture.
    lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
    result: Floats = (means / lengths).astype(np.float32)
    return result
