"""OpenCLIP's models (Cherti et al., 2023, arXiv:2212.07143), from a name and a tag or from a folder: the network, how
it wants its pictures, its tokenizer. Only model servers import this module.

A folder is what OpenCLIP's own ``save_for_hf`` or a Hugging Face snapshot holds: ``open_clip_config.json``, the weights
as ``open_clip_model.safetensors`` (or ``open_clip_pytorch_model.bin``), and the tokenizer's files where the model does
not use CLIP's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from framesense.models.spec import ModelSource, ModelSpec
from framesense.models.torch_compat import prepare_torchvision

if TYPE_CHECKING:
    import torch

CONFIG_FILE = "open_clip_config.json"


@dataclass(frozen=True)
class OpenClipFiles:
    """The files of a model, found by ``name``.

    It is an architecture such as ``ViT-B-32``, with the ``tag`` of its weights; or a folder, without one.
    """

    name: str
    tag: str | None = None

    @classmethod
    def of(cls, spec: ModelSpec) -> OpenClipFiles:
        """Return the files that an ``open_clip:`` or ``path:`` name stands for.

        Raises FileNotFoundError for a folder without ``open_clip_config.json``.
        """
        if spec.source is ModelSource.OPEN_CLIP:
            return cls(*spec.name.split("/"))
        if not (spec.path / CONFIG_FILE).exists():
            raise FileNotFoundError(f"there is no OpenCLIP model in {spec.path}: it has no {CONFIG_FILE}")
        return cls(str(spec.path))

    def model(self, device: torch.device) -> Any:
        """Load the network, in float32 and frozen.

        Raises ValueError, FileNotFoundError or OSError, in words, where there is no such model or it cannot be fetched.
        """
        open_clip = _open_clip()
        # require_pretrained: never random weights in place of those that could not be had
        model = open_clip.create_model(self._place, pretrained=self.tag, device=device, require_pretrained=True)
        return model.eval().requires_grad_(False)

    def transform(self, model: Any) -> Callable[[Image.Image], torch.Tensor]:
        """Return what resizes and normalises a picture for ``model`` as in its training."""
        open_clip = _open_clip()
        from open_clip.transform import PreprocessCfg, image_transform_v2

        transform: Callable[[Image.Image], torch.Tensor] = image_transform_v2(
            PreprocessCfg(**open_clip.get_model_preprocess_cfg(model)), is_train=False
        )
        return transform

    def tokenizer(self) -> Any:
        """Load the tokenizer: CLIP's own, or the one that the model's configuration names."""
        return _open_clip().get_tokenizer(self._place)

    @cached_property
    def _place(self) -> str:
        open_clip = _open_clip()
        if self.tag is None:
            return f"local-dir:{self.name}"
        if self.name not in open_clip.list_models():
            raise ValueError(f"OpenCLIP has no architecture {self.name!r}; open_clip.list_models() lists them")
        if not open_clip.get_pretrained_cfg(self.name, self.tag):
            known = ", ".join(open_clip.list_pretrained_tags_by_model(self.name)) or "none"
            raise ValueError(f"OpenCLIP has no weights {self.tag!r} for {self.name}; it has: {known}")
        return self.name


def _open_clip() -> Any:
    prepare_torchvision()
    import open_clip

    return open_clip


def image_side(model: Any) -> int:
    """Return the side, in pixels, of the square that the model's vision tower takes."""
    size = model.visual.image_size
    return int(size if isinstance(size, int) else size[0])


def fingerprint(model: Any) -> str:
    """Return a hash of the weights themselves: tags of the same name may be published anew."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]


def is_folder_of_open_clip(path: Path) -> bool:
    """Tell whether a folder holds a model in OpenCLIP's format."""
    return (path / CONFIG_FILE).exists()
