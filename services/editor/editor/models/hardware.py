"""How a pipeline's networks are laid out for the device they run on: memory format, little memory, compiled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

import torch

ROOM = 4 * 1024**3
"""Bytes that must be left beside the weights for networks to run undivided: what a picture of 1024 pixels takes."""

LowMemory = Literal["auto", "on", "off"]


def lay_out(parts: Mapping[str, Any], device: torch.device, *, low_memory: LowMemory, compiled: bool) -> None:
    """Lay the parts out in memory, in place; they are on the device already.

    Raises ValueError where compiling is asked for and cannot be.
    """
    networks = [parts[name] for name in ("unet", "vae", "controlnet") if parts.get(name) is not None]
    if device.type == "cuda":
        for network in networks:  # tensor cores want channels last; it changes no number but the order of sums
            network.to(memory_format=torch.channels_last)
    if is_memory_short(parts, device, low_memory):
        for network in networks:
            if hasattr(network, "set_attention_slice"):
                network.set_attention_slice("auto")
        parts["vae"].enable_slicing()
        parts["vae"].enable_tiling()
    if compiled:
        check_compiler(device)
        # On a GPU the calls of a U-Net's thousand small kernels cost more than they do: recorded once, they are
        # replayed as one graph. Compiled at the first call of a size, again at the second size for all sizes.
        mode = "reduce-overhead" if device.type == "cuda" else "default"
        for network in (parts["unet"], parts.get("controlnet"), parts["vae"].decoder):
            if network is not None:
                network.compile(mode=mode)


def is_memory_short(parts: Mapping[str, Any], device: torch.device, wanted: LowMemory) -> bool:
    """Return whether memory is short; for ``auto``, whether less than :data:`ROOM` of the device's memory is left
    beside the weights.
    """
    if wanted != "auto":
        return wanted == "on"
    models = [part for part in parts.values() if isinstance(part, torch.nn.Module)]
    weights = sum(weight.numel() * weight.element_size() for model in models for weight in model.parameters())
    return _memory(device) - weights < ROOM


def check_compiler(device: torch.device) -> None:
    """Raise ValueError where torch.compile lacks the C compiler that its code needs, or on a GPU Triton."""
    if not any(shutil.which(name) for name in (os.environ.get("CC") or "cc", "gcc", "clang")):
        raise ValueError("EDITOR_COMPILE needs a C compiler, and there is none: install gcc, or leave it off")
    if device.type == "cuda" and find_spec("triton") is None:
        raise ValueError("EDITOR_COMPILE needs Triton on a GPU, and it is not installed: leave it off")


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
