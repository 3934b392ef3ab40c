"""The servers of a model, each a process of its own on a free port: our service, LitServe, infinity-emb.

Each context manager gives the URL once the server is ready. RuntimeError, with the end of what it printed, when it does
not come up.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.clip_folders import as_transformers
from benchmarks.infinity import infinity, infinity_question
from benchmarks.processes import running
from benchmarks.service import Question
from tools.processes import Program, answers, free_port
from tools.settings import ROOT

LITSERVE_QUESTION = Question("/predict", field="content")
INFINITY_QUESTION = Question("/embeddings", body=infinity_question)


@dataclass(frozen=True)
class Model:
    """A model in a folder, and how every server shall run it; ``work`` keeps what servers write.

    ``device`` and ``dtype`` as torch names them; ``max_batch``: photos in a call of the model, at most.
    """

    service: str
    folder: Path
    work: Path
    device: str
    dtype: str
    max_batch: int


@contextmanager
def framesense(model: Model, *, compiled: bool) -> Iterator[str]:
    """Run our captioner or tagger, asked directly; ``compiled``: its network by torch.compile."""
    prefix, port = model.service.upper(), free_port()
    settings = {
        f"{prefix}_PORT": str(port),
        f"{prefix}_MODEL": f"path:{model.folder}",
        f"{prefix}_DEVICE": model.device,
        f"{prefix}_DTYPE": model.dtype,
        f"{prefix}_MAX_BATCH": str(model.max_batch),
        f"{prefix}_COMPILE": str(compiled).lower(),
        "STORAGE_URL": str(model.work / "blobs"),
        "HF_HUB_OFFLINE": "1",
    }
    with _served(model.service, port, "/ready", settings, model.work) as url:
        yield url


def calls(url: str, service: str) -> tuple[float, float]:
    """Count the photos that the model of our server was asked for since its start, and in how many calls."""
    metrics = httpx.get(f"{url}/metrics", trust_env=False, timeout=60).raise_for_status().text
    metric = f"{service}_batch_images_"
    found = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line.startswith(metric))
    return float(found.get(f"{metric}sum", 0)), float(found.get(f"{metric}count", 0))


@contextmanager
def litserve(model: Model, *, installed: str) -> Iterator[str]:
    """Run benchmarks/peers/litserve_app.py.

    ``installed``: ``auto`` where LitServe is in this environment, else a folder that pip put it in by ``--target``.
    """
    port = free_port()
    settings = {
        "BENCH_SERVICE": model.service,
        "BENCH_MODEL": str(model.folder),
        "BENCH_DEVICE": model.device,
        "BENCH_DTYPE": model.dtype,
        "BENCH_MAX_BATCH": str(model.max_batch),
        "BENCH_PORT": str(port),
    }
    if installed != "auto":
        settings["PYTHONPATH"] = os.pathsep.join([str(Path(installed).resolve()), str(ROOT)])
    with _served("benchmarks.peers.litserve_app", port, "/health", settings, model.work) as url:
        yield url


@contextmanager
def infinity_emb(model: Model, *, python: Path) -> Iterator[str]:
    """Run the same weights of an OpenCLIP model, in transformers' format, behind ``python``'s infinity-emb.

    The dtype is its own choice: float16 on a GPU, else float32.
    """
    folder = model.work / "infinity-model"
    as_transformers(model.folder, folder)
    device = model.device.split(":")[0]
    with infinity(python, folder, model.work, device=device, dtype="auto", max_batch=model.max_batch) as url:
        yield url


@contextmanager
def _served(module: str, port: int, ready: str, settings: Mapping[str, str], work: Path) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    with running(Program(module, [sys.executable, "-m", module], url, answers(url + ready), settings), work):
        yield url
