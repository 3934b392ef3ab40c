"""What a ControlNet is shown of a photo: its edges, or how far away everything is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from PIL import Image

from framesense.media.images import RGB
from framesense.models.torch_compat import prepare_torchvision


class ControlKind(StrEnum):
    CANNY = "canny"
    DEPTH = "depth"


class Control(Protocol):
    """Draws the picture that the ControlNet was trained on, of the photo's size: H × W × 3."""

    kind: ControlKind

    def __call__(self, photo: RGB) -> RGB: ...


class Canny:
    """White edges on black (Canny, 1986), at the thresholds that ControlNet's authors took."""

    kind = ControlKind.CANNY

    def __init__(self, low: int = 100, high: int = 200) -> None:
        self._low, self._high = low, high

    def __call__(self, photo: RGB) -> RGB:
        edges = cv2.Canny(np.ascontiguousarray(photo), self._low, self._high)
        return np.repeat(edges[:, :, None], 3, axis=2).astype(np.uint8)


class Depth:
    """Near is white, far is black, by a depth estimator of transformers (DPT, Depth Anything, ZoeDepth, …)."""

    kind = ControlKind.DEPTH

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model, processor
        config = model.config
        # Most estimate the inverse of the distance, up to a scale; those that estimate metres are turned round.
        self._metres = getattr(config, "depth_estimation_type", "") == "metric" or config.model_type == "zoedepth"

    @classmethod
    def load(cls, folder: Path, device: torch.device, dtype: torch.dtype) -> Depth:
        """Load a depth estimator.

        Raises ValueError or OSError where the folder holds no depth estimator in safetensors.
        """
        prepare_torchvision()
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        processors: Any = AutoImageProcessor
        model = AutoModelForDepthEstimation.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True
        )
        processor = processors.from_pretrained(folder, local_files_only=True, backend="pil")
        return cls(model.eval().requires_grad_(False).to(device), processor)

    @torch.no_grad()
    def __call__(self, photo: RGB) -> RGB:
        parameter = next(self._model.parameters())
        pixels = self._processor(Image.fromarray(photo), return_tensors="pt")["pixel_values"]
        depth = self._model(pixel_values=pixels.to(parameter.device, parameter.dtype)).predicted_depth
        height, width = photo.shape[:2]
        sized = cv2.resize(depth[0].float().cpu().numpy(), (width, height), interpolation=cv2.INTER_CUBIC)
        nearness = sized.max() - sized if self._metres else sized - sized.min()
        grey = 255 * nearness / max(float(nearness.max()), 1e-6)
        return np.repeat(grey.round().astype(np.uint8)[:, :, None], 3, axis=2)
