"""A compiled network on batches of a few fixed sizes.

``torch.compile`` makes code for one shape, which takes a minute; a service's batches have every size up to its largest.
So a batch is filled up to the next of a few sizes, and all of these are compiled while the model is loaded, not in the
first requests. Where it pays, by how much and for which models: docs/models.md and ``python -m benchmarks.hub_models``.

Imports torch: for model servers only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


def sizes_up_to(largest: int) -> list[int]:
    """Return the powers of two below the largest, and the largest.

    No batch is then filled up to more than twice its size.
    """
    return [*(2**power for power in range(largest.bit_length()) if 2**power < largest), largest]


@runtime_checkable
class Compilable(Protocol):
    """Offer to compile the encoder of pictures."""

    def compile(self, largest: int, **options: Any) -> None:
        """Compile for batches of up to ``largest``, and warm up; ``options`` are torch.compile's."""


class StaticBatches:
    """Call ``run`` with batches of ``sizes`` only.

    Args:
        run: a batch → tensors with as many rows, in a tuple.
        sizes: ascending.
    """

    def __init__(self, run: Callable[[Tensor], tuple[Tensor, ...]], sizes: list[int]) -> None:
        self._run, self._sizes = run, sizes

    def __call__(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Run a batch, padded to the next size; one larger than the largest size goes in parts."""
        largest = self._sizes[-1]
        parts = [self._one(batch[start : start + largest]) for start in range(0, len(batch), largest)]
        return tuple(torch.cat(tensors) if len(tensors) > 1 else tensors[0] for tensors in zip(*parts, strict=True))

    def warm_up(self, example: Tensor) -> None:
        """Compile for every size, the smallest first, with an ``example``: a batch of one."""
        for size in self._sizes:
            self(example.expand(size, *example.shape[1:]).contiguous())

    def _one(self, batch: Tensor) -> tuple[Tensor, ...]:
        count = len(batch)
        size = next(size for size in self._sizes if size >= count)
        if size > count:
            batch = torch.cat([batch, batch[-1:].expand(size - count, *batch.shape[1:])])
        return tuple(tensor[:count] for tensor in self._run(batch))


def compiled(run: Callable[[Tensor], tuple[Tensor, ...]], largest: int, **options: Any) -> StaticBatches:
    """Return ``run`` compiled by Inductor for batches of up to ``largest``; ``options`` are torch.compile's.

    Needs a C compiler, on a GPU also Triton, which comes with torch's CUDA build.
    """
    return StaticBatches(torch.compile(run, dynamic=False, **options), sizes_up_to(largest))
