"""Make ``import torchvision`` work beside the CPU build of torch.

torchvision's wheel on PyPI is compiled against CUDA torch. Beside the CPU build its compiled extension cannot be
loaded; torchvision forgives that, but a moment later registers "fake" kernels for two operators which only the
extension declares, and dies with ``operator torchvision::nms does not exist`` (then ``qnms``). Nothing in this project
calls either: timm, open_clip and transformers only want torchvision's transforms. It is enough that the operators'
*schemas* exist before torchvision's first import; calling one then fails with torch's usual "no kernel" error.

Only model servers and training import this module (it imports torch).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

#: Schemas as torchvision's own C++ declares them (torchvision/csrc/ops/nms.cpp and .../quantized/cpu/qnms_kernel.cpp).
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_libraries: list[torch.library.Library] = []  # a Library's declarations live exactly as long as the object does


def prepare_torchvision() -> bool:
    """Call before the first ``import torchvision`` (or timm, open_clip, ...); returns whether schemas were declared.

    Where the real operators can be had, nothing is declared (a second declaration would make the extension fail):
    the extension is loaded here just as torchvision will load it, which is harmless to do twice. Idempotent. Does
    nothing where torchvision is not installed or is already imported.
    """
    if _libraries or _load_extension() or _operators_exist():
        return False
    if importlib.util.find_spec("torchvision") is None:
        return False
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _libraries.append(library)
    return True


def _operators_exist() -> bool:
    return hasattr(torch.ops.torchvision, "nms")


def _load_extension() -> bool:
    """Load torchvision's compiled operators without importing torchvision; False where they do not fit this torch."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for extension in sorted(Path(spec.origin).parent.glob("_C*")):
        if extension.suffix not in {".so", ".pyd", ".dylib"}:
            continue
        try:
            torch.ops.load_library(str(extension))
        except (ImportError, OSError):
            continue
        if _operators_exist():
            return True
    return False
