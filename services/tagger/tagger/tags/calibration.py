"""Cosines → log-odds that a label fits a picture.

Cosines of right and of wrong labels lie close together, and each label has a level of its own: "a photo of a person"
is near to every picture, "a photo of a stove" to none. Three ways to tell them apart, each for a kind of model:

- :class:`BackgroundCalibration` (the embedded model): how many standard deviations is this cosine above what the label
  gets on a reference set of photos? With the mean m and covariance C of the reference photos' embeddings, the cosines
  of any text vector t have mean t·m and variance tᵀCt, so no label has to be measured beforehand.
- :class:`SigmoidCalibration` (SigLIP; Zhai et al., 2023): the model was trained to say σ(scale · cos + bias).
- :class:`NeutralCalibration` (CLIP): against prompts that say nothing ("a photo"), at the temperature of training.

docs/tags.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BACKGROUND_FILE = "background.safetensors"
NEUTRAL_PROMPTS = ("a photo", "a picture", "an image of something", "a photo of a thing")
LEAST_DEVIATION = 1e-3
"""Of a label's background cosines; a smaller one is taken for this."""


class Calibration(Protocol):
    @property
    def threshold_on(self) -> Literal["cosine", "probability"]:
        """Tell what a threshold is compared with, unless the caller says."""

    @property
    def threshold(self) -> float:
        """Return the default threshold."""

    def log_odds(self, images: Floats, texts: Floats) -> Floats:
        """Return natural log-odds, each label on its own: n × d images and m × d texts, both L2-normalised → n × m."""


def probabilities(log_odds: Floats) -> Floats:
    """Return the probability of each label on its own: the logistic function, safe for large values."""
    result: Floats = (0.5 * (1 + np.tanh(0.5 * log_odds))).astype(np.float32)
    return result


def shares(log_odds: Floats, temperature: float = 1.0) -> Floats:
    """Return the probability of each label where one of the row must be right: the softmax over each row."""
    shifted = (log_odds - log_odds.max(axis=-1, keepdims=True)) / temperature
    powers = np.exp(shifted)
    result: Floats = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


@dataclass(frozen=True)
class BackgroundCalibration:
    """log-odds = slope · z + intercept, z the z-score of the cosine among the reference photos' cosines."""

    mean: Floats
    """d: of the reference photos' embeddings."""
    covariance: Floats
    """d × d."""
    slope: float = 1.0
    intercept: float = 0.0
    threshold: float = 0.5
    threshold_on: Literal["cosine", "probability"] = "probability"

    @classmethod
    def measure(cls, embeddings: Floats) -> BackgroundCalibration:
        """Measure a background from n × d embeddings of reference photos, n ≥ 2."""
        if len(embeddings) < 2:
            raise ValueError("a background takes at least 2 photos")
        exact = embeddings.astype(np.float64)
        covariance = np.cov(exact, rowvar=False)
        return cls(exact.mean(0).astype(np.float32), covariance.astype(np.float32))

    def level(self, texts: Floats) -> tuple[Floats, Floats]:
        """Return, for m × d texts, the mean and the standard deviation of each one's cosine on the reference photos."""
        variance = np.einsum("md,de,me->m", texts, self.covariance, texts)
        return texts @ self.mean, np.sqrt(np.maximum(variance, LEAST_DEVIATION**2)).astype(np.float32)

    def z_scores(self, images: Floats, texts: Floats) -> Floats:
        mean, deviation = self.level(texts)
        scores: Floats = (images @ texts.T - mean) / deviation
        return scores

    def log_odds(self, images: Floats, texts: Floats) -> Floats:
        return (self.slope * self.z_scores(images, texts) + self.intercept).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write ``background.safetensors``, float16 but for the mean."""
        scale = np.float32(np.abs(self.covariance).max())  # float16 has no room for variances of 1e-5
        tensors: dict[str, NDArray[Any]] = {
            "mean": self.mean,
            "covariance": (self.covariance / scale).astype(np.float16),
            "scale": np.array([scale], np.float32),
            "logistic": np.array([self.slope, self.intercept, self.threshold], np.float32),
        }
        safetensors.numpy.save_file(tensors, folder / BACKGROUND_FILE)

    @classmethod
    def load(cls, folder: Path) -> BackgroundCalibration:
        """Load what :meth:`save` wrote; raises FileNotFoundError, or ValueError for any other file."""
        tensors = safetensors.numpy.load_file(folder / BACKGROUND_FILE)
        try:
            covariance = tensors["covariance"].astype(np.float32) * tensors["scale"]
            slope, intercept, threshold = (float(value) for value in tensors["logistic"])
            return cls(tensors["mean"], covariance, slope, intercept, threshold)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{folder / BACKGROUND_FILE} holds no background statistics: {error}") from error


@dataclass(frozen=True)
class SigmoidCalibration:
    scale: float
    bias: float
    threshold: float = 0.25
    threshold_on: Literal["cosine", "probability"] = "cosine"

    def log_odds(self, images: Floats, texts: Floats) -> Floats:
        return (self.scale * (images @ texts.T) + self.bias).astype(np.float32)


@dataclass(frozen=True)
class NeutralCalibration:
    """log-odds = scale · (cosine with the label − cosine with what says nothing)."""

    scale: float
    neutral: Floats
    """d: the L2-normalised mean of :data:`NEUTRAL_PROMPTS`' embeddings."""
    threshold: float = 0.25
    threshold_on: Literal["cosine", "probability"] = "cosine"

    def log_odds(self, images: Floats, texts: Floats) -> Floats:
        contrast = images @ texts.T - (images @ self.neutral)[:, np.newaxis]
        return (self.scale * contrast).astype(np.float32)
