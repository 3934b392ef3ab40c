"""Captioners whose files transformers reads: their image processor and tokenizer lie beside the weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import torch
from PIL import Image
from torch import Tensor

from captioner.models.generating import GeneratingCaptioner
from framesense.models.pretrained import Pretrained, side_of


class TransformersCaptioner(GeneratingCaptioner):
    """Put a model of transformers together with its image processor and tokenizer.

    Args:
        files: where the model was loaded from.
        model: the loaded network; ``parameters()`` are counted.
        image_size: side of the pictures that it takes, in pixels; as the image processor says when absent.
        stop: ids of tokens that end a caption and are no part of it.
    """

    usual_image_size: ClassVar[int] = 224
    """The side of pictures where neither the model nor its image processor says."""

    def __init__(
        self, files: Pretrained, model: Any, *, image_size: int | None = None, dtype: torch.dtype, stop: Iterable[int]
    ) -> None:
        processor = files.image_processor()

        def transform(image: Image.Image) -> Tensor:
            pixels: Tensor = processor(image, return_tensors="pt")["pixel_values"][0]
            return pixels

        super().__init__(
            model,
            transform=transform,
            tokenizer=files.tokenizer(),
            revision=files.fingerprint(),
            image_size=image_size or side_of(processor, self.usual_image_size),
            dtype=dtype,
            stop=stop,
        )

    @classmethod
    @abstractmethod
    def load(cls, files: Pretrained, device: torch.device, dtype: torch.dtype) -> Self:
        """Load a model of this family.

        Raises OSError or ValueError where it cannot be had or is of another family.
        """
