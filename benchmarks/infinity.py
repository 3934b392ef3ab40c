"""Another server of the same kind of model, for comparison: infinity-emb, where it is installed.

docs/benchmarks.md says how to install it; benchmarks/clip_folders.py makes models that it reads.
"""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.processes import running
from tools.processes import Program, answers, free_port


@contextmanager
def infinity(
    python: Path, model: Path, folder: Path, *, device: str = "cpu", dtype: str = "float32", max_batch: int = 32
) -> Iterator[str]:
    """Run infinity-emb from the environment of ``python``, serving a transformers folder; yields its URL.

    Its torchvision is made to load beside the CPU build of torch as ours is (framesense/models/torch_compat.py).

    Args:
        folder: keeps what it prints, and what it runs at its start.
        device: ``cpu`` or ``cuda``.
        dtype: as infinity-emb names it; ``auto`` is float16 on a GPU.
        max_batch: photos in a call of the model, at most.
    """
    from framesense.models import torch_compat

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(python.with_name("infinity_emb")), "v2", "--model-id", str(model), "--port", str(port)]
    command += ["--engine", "torch", "--device", device, "--dtype", dtype, "--batch-size", str(max_batch)]
    command += ["--served-model-name", "clip", "--no-bettertransformer", "--no-model-warmup"]
    startup = folder / "infinity-startup"
    startup.mkdir(parents=True)
    shutil.copy(torch_compat.__file__, startup / "framesense_torch_compat.py")
    code = "import framesense_torch_compat\nframesense_torch_compat.prepare_torchvision()\n"
    (startup / "sitecustomize.py").write_text(code)
    environment = {"PYTHONPATH": str(startup), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    environment["INFINITY_ANONYMOUS_USAGE_STATS"] = "0"
    with running(Program("infinity", command, url, answers(f"{url}/models"), environment), folder):
        yield url


def infinity_question(photo: bytes) -> dict[str, Any]:
    """Build the JSON body of its ``POST /embeddings`` for one JPEG."""
    uri = "data:image/jpeg;base64," + base64.b64encode(photo).decode()
    return {"model": "clip", "modality": "image", "input": [uri], "encoding_format": "base64"}
