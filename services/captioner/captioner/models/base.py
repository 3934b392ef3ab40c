"""The interface of every family of captioning models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from framesense.schemas.captions import CaptionExtra
from framesense.schemas.models import ModelInfo

Floats = NDArray[np.float32]


class GeneratedCaption(Protocol):
    """One caption of T tokens; special tokens (start, end) are not among them."""

    @property
    def text(self) -> str: ...

    @property
    def tokens(self) -> list[str]: ...

    @property
    def log_probabilities(self) -> list[float]:
        """T natural logarithms, each of the token given those before it."""

    @property
    def confidence(self) -> float | None:
        """The chance that the caption is right, in [0, 1]; None from a model that was not calibrated."""

    @property
    def word_embeddings(self) -> Floats | None:
        """T × D: the decoder's own embedding of each token; None where it has none of its own."""

    @property
    def attention(self) -> Floats | None:
        """T × rows × columns, each map sums to 1; None unless asked for."""

    @property
    def features(self) -> Floats | None:
        """Rows × columns × channels of the image encoder; None unless asked for."""

    @property
    def visual(self) -> Floats | None:
        """Dimensions: the picture as a whole; None unless asked for."""

    @property
    def patches(self) -> Floats | None:
        """Rows × columns × dimensions: the picture, place by place; None unless asked for."""

    @property
    def pooled(self) -> Floats | None:
        """What the image encoder of ``LoadedModel.info`` passes on to other models; None unless asked for."""


class CaptionModel(Protocol):
    """A loaded model. ``preprocess`` is called from several threads, ``caption`` from one at a time."""

    image_size: int
    """Side of the square that the model sees, in pixels."""

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Prepare an H × W × 3 RGB picture for ``caption``, which takes a batch of them."""

    def caption(
        self,
        pixels: Tensor,
        *,
        beams: int,
        max_tokens: int,
        attention: bool = False,
        features: bool = False,
        views: bool = False,
        pooled: bool = False,
    ) -> Sequence[GeneratedCaption]:
        """Write a caption for each picture, by beam search (1 is greedy), of at most ``max_tokens`` tokens.

        ``views``: with ``visual`` and ``patches``. ``pooled`` is asked of families only that have it.
        """


@dataclass(frozen=True)
class LoadedModel:
    model: CaptionModel
    info: ModelInfo
    unsupported: Mapping[CaptionExtra, str] = field(default_factory=dict)
    """What this family cannot return, and why."""
