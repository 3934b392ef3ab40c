"""The chance that a caption is right, from what the captioner knows itself: how well the caption fits the picture, and
how sure the decoder was of its words.

A caption is *right* when it agrees with people's captions of the picture as well as nine in ten of their own captions
agree with the others: the mean cosine of its MiniLM sentence embedding to theirs is at least ``level``. Held-out photos
tell which captions are; a logistic regression (Platt, 1999) turns two numbers into a probability:

- agreement: the cosine of the caption and the picture in the space of sentence embeddings. A ridge regression predicts
  where a picture's captions lie from the mean of its annotation vectors, and another where a sentence lies from its
  words alone, so that no sentence encoder need run;
- the mean log-probability of the caption's tokens.

``training/caption_confidence.py`` fits all three and measures how well the probabilities hold; the model card has the
figures. A calibration belongs to the very weights it was fitted for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from captioner.models.show_attend_tell.files import revision_of

CONFIDENCE_FILE = "confidence.safetensors"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ConfidenceModel:
    """Estimate the chance that a caption is right; F numbers describe a picture, S a sentence."""

    projection: Floats
    """F × S: with ``offset``, a picture's numbers → where its captions lie among sentences."""
    offset: Floats
    """S."""
    words: Floats
    """V × S: the sum of its words' rows tells where a sentence lies."""
    coefficients: Floats
    """Of the logistic regression: agreement, mean log-probability, intercept."""
    level: float
    """The least mean cosine to people's captions of a caption that counts as right."""
    revision: str
    """The captioner's weights that it was fitted for."""

    def agreement(self, picture: Floats, words: Sequence[int]) -> float:
        """Return the cosine of a picture (F numbers, its mean annotation vector) and a caption (ids of words)."""
        wanted, said = picture @ self.projection + self.offset, self.words[list(words)].sum(axis=0)
        return float(wanted @ said / max(float(np.linalg.norm(wanted) * np.linalg.norm(said)), 1e-6))

    def estimate(self, picture: Floats, words: Sequence[int], log_probabilities: Sequence[float]) -> float:
        """Return the chance that a caption is right, in [0, 1].

        Args:
            picture: F numbers, the mean annotation vector.
            words: the caption as ids of words, one at least.
            log_probabilities: of each word, given those before it.
        """
        fit, sure, intercept = (float(value) for value in self.coefficients)
        mean = sum(log_probabilities) / len(log_probabilities)
        return _logistic(fit * self.agreement(picture, words) + sure * mean + intercept)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the calibration beside a captioner's weights.

        Raises:
            FileNotFoundError: there is none.
            ValueError: the file holds no calibration.
        """
        path = folder / CONFIDENCE_FILE
        if not path.exists():
            raise FileNotFoundError(path)
        try:
            with safetensors.safe_open(str(path), framework="np") as file:
                written = json.loads(file.metadata()["framesense"])
                named = {
                    name: np.asarray(file.get_tensor(name), dtype=np.float32)
                    for name in ("projection", "offset", "words", "coefficients")
                }
            return cls(**named, level=float(written["level"]), revision=str(written["revision"]))
        except (safetensors.SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} holds no calibration of a captioner: {error!r}") from error

    def save(self, folder: Path) -> None:
        """Write the calibration beside a captioner's weights, what is large as float16."""
        halves = {"projection": self.projection, "offset": self.offset, "words": self.words}
        arrays = {name: np.ascontiguousarray(array, dtype=np.float16) for name, array in halves.items()}
        arrays["coefficients"] = np.asarray(self.coefficients, dtype=np.float32)
        written = json.dumps({"level": self.level, "revision": self.revision})
        safetensors.numpy.save_file(arrays, folder / CONFIDENCE_FILE, metadata={"framesense": written})


def load_confidence(folder: Path) -> tuple[ConfidenceModel | None, str | None]:
    """Return the calibration of the weights in ``folder``, or None and the reason why there is none.

    Raises:
        FileNotFoundError: the folder holds no weights.
        ValueError: a damaged file.
    """
    try:
        confidence = ConfidenceModel.load(folder)
    except FileNotFoundError:
        return None, "no calibration lies beside these weights (training/caption_confidence.py makes one)"
    if confidence.revision != revision_of(folder):
        return None, f"the calibration beside these weights was fitted for others ({confidence.revision})"
    return confidence, None


def _logistic(value: float) -> float:
    # Two forms, so that neither exponential overflows.
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
