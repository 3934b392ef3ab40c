"""Which model a setting names, and where and how precisely it runs. Imports torch only when asked to choose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    import torch

DTypeChoice = Literal["auto", "float32", "bfloat16", "float16"]


class ModelSource(StrEnum):
    EMBEDDED = "embedded"
    HUGGING_FACE = "hf"
    OPEN_CLIP = "open_clip"
    PATH = "path"


@dataclass(frozen=True)
class ModelSpec:
    """A model as a setting names it; ``str(spec)`` prints it back.

    ==============================  ==========================================================================
    ``embedded``                    what ships with Framesense: no download, no account
    ``hf:ORG/NAME`` or ``…@REV``    a Hugging Face repository, at a branch, tag or commit
    ``open_clip:ARCH/TAG``          an OpenCLIP architecture and the tag of its pretrained weights
    ``path:DIR``                    a folder
    ==============================  ==========================================================================
    """

    source: ModelSource
    name: str = ""
    """ORG/NAME, ARCH/TAG or DIR; empty for ``embedded``."""
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name in one of the forms above.

        Raises ValueError, in words that tell what is possible, for anything else.
        """
        text = text.strip()
        if text == ModelSource.EMBEDDED:
            return cls(ModelSource.EMBEDDED)
        if match := re.fullmatch(r"hf:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", text):
            return cls(ModelSource.HUGGING_FACE, match[1], match[2])
        if match := re.fullmatch(r"open_clip:([\w.-]+/[\w.-]+)", text):
            return cls(ModelSource.OPEN_CLIP, match[1])
        if match := re.fullmatch(r"path:(.+)", text):
            return cls(ModelSource.PATH, match[1])
        forms = "'embedded', 'hf:ORG/NAME', 'hf:ORG/NAME@REVISION', 'open_clip:ARCH/TAG' or 'path:DIR'"
        raise ValueError(f"{text!r} names no model; write {forms}")

    @property
    def path(self) -> Path:
        """Return the folder of a ``path:`` model; ``~`` is expanded."""
        if self.source is not ModelSource.PATH:
            raise ValueError(f"{self} is not a folder")
        return Path(self.name).expanduser()

    def __str__(self) -> str:
        if self.source is ModelSource.EMBEDDED:
            return str(self.source)
        return f"{self.source}:{self.name}" + (f"@{self.revision}" if self.revision else "")


def choose_device(wanted: str = "auto") -> torch.device:
    """Choose the device.

    ``auto`` is the first CUDA GPU if there is one, else the CPU; otherwise a torch device such as ``cuda:1``.

    Raises ValueError for a device that torch does not know or that this machine lacks.
    """
    import torch

    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {wanted!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def choose_dtype(wanted: DTypeChoice, device: torch.device) -> torch.dtype:
    """Choose the precision.

    ``auto`` is bfloat16 where it is faster (a GPU that has it, a CPU with AMX or AVX-512 BF16), else float32.
    """
    import torch

    by_name = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if wanted != "auto":
        return by_name[wanted]
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        fast = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.bfloat16 if fast else torch.float32


def to_device(batch: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Move a batch to the device; to a GPU from pinned memory, so that the copy runs while the CPU goes on."""
    if device.type == "cuda":
        return batch.pin_memory().to(device, non_blocking=True).to(dtype)
    return batch.to(device, dtype)
