"""The interface of every family of dual encoders: images and texts in one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from framesense.schemas.models import ModelInfo
from tagger.tags.calibration import Calibration

Floats = NDArray[np.float32]


class DualEncoder(Protocol):
    """Embed pictures and texts. ``preprocess`` is called from several threads, ``encode_images`` from one at a time."""

    image_size: int
    """Side of the square that the model sees, in pixels."""
    dimensions: int
    logit_scale: float
    """The factor of cosines in training: the inverse of the temperature."""
    languages: str
    """What its texts may be written in, in words: "English"."""

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Resize and normalise an H × W × 3 RGB picture; ``encode_images`` takes a batch of the result."""

    def encode_images(self, pixels: Tensor) -> Floats:
        """Embed a batch of n preprocessed pictures: n × dimensions float32, L2-normalised."""

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Embed n texts: n × dimensions float32, L2-normalised."""

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a text that mean nothing, or little, to the model's text encoder."""


@runtime_checkable
class FeatureHead(Protocol):
    """Embed pictures by what their image encoder told of them elsewhere: a :class:`DualEncoder` whose encoder other
    models have too.
    """

    feature_size: int

    def embed_features(self, features: Floats) -> Floats:
        """Embed n pictures: n × ``feature_size`` float32 → n × dimensions float32, L2-normalised; from any thread."""


@dataclass(frozen=True)
class LoadedModel:
    model: DualEncoder
    calibration: Calibration
    info: ModelInfo
