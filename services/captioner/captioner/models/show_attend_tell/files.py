"""A decoder in a folder: config.json, vocabulary.json and decoder.safetensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch

from captioner.models.show_attend_tell.decoder import Decoder, DecoderSizes

FAMILY = "show-attend-tell"
CONFIG_FILE, VOCABULARY_FILE, WEIGHTS_FILE = "config.json", "vocabulary.json", "decoder.safetensors"


def save_decoder(
    folder: Path, decoder: Decoder, vocabulary: Sequence[str], *, image_size: int, length_penalty: float
) -> None:
    """Write config.json, vocabulary.json and decoder.safetensors (float16) into ``folder``, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model": FAMILY,
        "image_size": image_size,
        "length_penalty": length_penalty,
        "decoder": asdict(decoder.sizes),
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / VOCABULARY_FILE).write_text(json.dumps(list(vocabulary), ensure_ascii=False, indent=0) + "\n", "utf-8")
    weights = {name: tensor.detach().half().cpu().contiguous() for name, tensor in decoder.state_dict().items()}
    safetensors.torch.save_file(weights, folder / WEIGHTS_FILE)


def load_decoder(folder: Path) -> tuple[Decoder, list[str], dict[str, Any]]:
    """Read what :func:`save_decoder` wrote: the decoder in float32 on the CPU, the vocabulary, the configuration.

    Raises:
        FileNotFoundError: the folder lacks a file.
        ValueError: the files do not fit each other.
    """
    folder = Path(folder)
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        vocabulary: list[str] = json.loads((folder / VOCABULARY_FILE).read_text("utf-8"))
        weights = safetensors.torch.load_file(folder / WEIGHTS_FILE)
        decoder = Decoder(DecoderSizes(**config["decoder"]))
        decoder.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except (KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(f"{folder} does not hold a Show, Attend and Tell decoder: {error}") from error
    if len(vocabulary) != decoder.sizes.vocabulary:
        raise ValueError(f"{folder}: {len(vocabulary)} words, but the decoder knows {decoder.sizes.vocabulary}")
    return decoder.eval().requires_grad_(False), vocabulary, config


def revision_of(folder: Path) -> str:
    """Return a hash of all that :func:`save_decoder` wrote."""
    files = (Path(folder) / name for name in (WEIGHTS_FILE, VOCABULARY_FILE, CONFIG_FILE))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
