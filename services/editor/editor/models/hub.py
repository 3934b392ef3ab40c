"""Models of the Hugging Face hub, fetched once into its cache; nothing but safetensors and what goes with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from editor.models.folders import HALF, INDEX_FILE, architecture_of, read_folder, read_json
from framesense.models.spec import ModelSource, ModelSpec


def pipeline_folder(spec: ModelSpec, dtype: torch.dtype) -> Path:
    """Return the folder of a pipeline.

    A hub's is fetched, and only after its index has told that it is of a known kind. What is whole in the cache already
    (``make models`` puts it there) is used as it is, and the hub not asked. Half-precision weights are fetched where
    they are there and wanted: half the bytes for the same picture.

    Raises ValueError, FileNotFoundError and OSError: in words, or the hub's own (see :mod:`framesense.models.errors`).
    """
    if spec.source is ModelSource.PATH:
        return spec.path
    _check_hub(spec, "EDITOR_MODEL")
    if (cached := _cached(spec)) is not None:
        return cached
    from diffusers import DiffusionPipeline
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        index = hf_hub_download(spec.name, INDEX_FILE, revision=spec.revision)
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError as error:
        raise ValueError(f"{spec} has no {INDEX_FILE}: it is not a diffusers pipeline") from error
    architecture_of(read_json(Path(index)), str(spec))
    fetch: dict[str, Any] = {"revision": spec.revision, "use_safetensors": True}
    if dtype is not torch.float32:
        try:
            return Path(DiffusionPipeline.download(spec.name, variant=HALF, **fetch))
        except ValueError:  # there is no such variant
            pass
    try:
        return Path(DiffusionPipeline.download(spec.name, **fetch))
    except OSError as error:
        if "safetensors" not in str(error):
            raise
        raise ValueError(
            f"{spec} has no safetensors, and the older kind of weights is not read because it can run code. Take "
            "another revision, or save it anew with diffusers' save_pretrained and name that folder"
        ) from error


def component_folder(spec: ModelSpec, setting: str) -> Path:
    """Return the folder of a model that comes in one, such as a ControlNet; a hub's is fetched."""
    if spec.source is ModelSource.PATH:
        return spec.path
    _check_hub(spec, setting)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(spec.name, revision=spec.revision, allow_patterns=["*.safetensors", "*.json"]))


def _cached(spec: ModelSpec) -> Path | None:
    """Return a pipeline's folder in the hub's cache, if all of it is there."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(spec.name, revision=spec.revision, local_files_only=True))
        read_folder(folder)
    except (OSError, ValueError):
        return None
    return folder


def _check_hub(spec: ModelSpec, setting: str) -> None:
    if spec.source is not ModelSource.HUGGING_FACE:
        raise ValueError(f"{setting} is 'hf:ORG/NAME', 'hf:ORG/NAME@REVISION' or 'path:DIR', not {spec}")
