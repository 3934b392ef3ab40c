"""Files that transformers loads, from a folder or a name on the hub: configuration, weights, tokenizer, image
processor.

Only model servers import this module. No code of a repository is ever run; pickled weights are read as weights only
(torch's own default).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framesense.models.torch_compat import prepare_torchvision

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Pretrained:
    """Load a model's files.

    Every method raises OSError or ValueError, in the hub client's words, where they are not to be had.
    """

    name: str
    """A folder, or ORG/NAME on the hub, fetched once into the hub's cache."""
    revision: str | None = None

    def file(self, name: str) -> Path:
        """Return the path of a file, fetched if need be.

        Raises FileNotFoundError for one that a folder does not have.
        """
        from transformers.utils.hub import cached_file

        if self.is_folder:
            path = Path(self.name) / name
            if not path.is_file():
                raise FileNotFoundError(f"there is no model in {self.name}: it has no {name}")
            return path
        return Path(str(cached_file(self.name, name, revision=self._revision)))

    def config(self) -> dict[str, Any]:
        """Read config.json. Raises FileNotFoundError without one, ValueError if it is none."""
        path = self.file("config.json")
        try:
            config = json.loads(path.read_text("utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
        if not isinstance(config, dict):
            raise ValueError(f"{path} does not describe a model")
        return config

    def model(self, architecture: Any, device: torch.device, dtype: torch.dtype) -> Any:
        """Load an instance of a transformers class, frozen. Its weights are read straight into ``dtype``."""
        model = architecture.from_pretrained(self.name, revision=self._revision, dtype=dtype)
        return model.eval().requires_grad_(False).to(device)

    def tokenizer(self) -> Any:
        prepare_torchvision()
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.name, revision=self._revision)

    def image_processor(self) -> Any:
        """Load the image processor, on PIL: the same pixels wherever it runs, and no operators of torchvision."""
        prepare_torchvision()
        from transformers import AutoImageProcessor

        processors: Any = AutoImageProcessor
        return processors.from_pretrained(self.name, revision=self._revision, backend="pil")

    def fingerprint(self) -> str:
        """Return the hub's commit, which is how its cache names the folder; for a folder, a hash over its files."""
        if not self.is_folder:
            return self.file("config.json").parent.name
        digest = hashlib.sha256()
        for pattern in ("config.json", "*.safetensors", "*.bin"):
            for path in sorted(Path(self.name).glob(pattern)):
                with path.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()[:12]

    @property
    def is_folder(self) -> bool:
        # Whoever names a folder here names it absolutely: ORG/NAME is the hub's even where a folder
        # of that name happens to be.
        return Path(self.name).is_absolute()

    @property
    def _revision(self) -> str:
        return self.revision or "main"


def side_of(image_processor: Any, fallback: int) -> int:
    """Return the side, in pixels, of the square that an image processor makes of a picture."""
    for size in (getattr(image_processor, "crop_size", None), getattr(image_processor, "size", None)):
        if size and size.get("height"):
            return int(max(size["height"], size.get("width") or 0))
        if size and size.get("shortest_edge"):
            return int(size["shortest_edge"])
    return fallback
