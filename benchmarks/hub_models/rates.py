"""Photos a second of a model without a server: one after the other, in batches, and as the chip would allow."""

import time
from collections.abc import Callable, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.hub_models.bare import Bare

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def plain_rate(bare: Bare, photos: Sequence[bytes], count: int) -> float:
    """Measure the photos a second of a plain loop over ``count`` of the files: decode, resize, ask the model."""

    def one(photo: bytes) -> None:
        bare.run(bare.prepare(photo)[None])

    one(photos[0])
    started = time.perf_counter()
    for index in range(count):
        one(photos[index % len(photos)])
    return count / (time.perf_counter() - started)


def bare_rates(
    bare: Bare, picture: torch.Tensor, device: torch.device, *, largest: int, seconds: float
) -> dict[int, float]:
    """Measure photos a second by the size of the batch, which lies on the device already.

    Args:
        picture: what :meth:`Bare.prepare` makes of a photo; batches repeat it.
        largest: batches have up to so many photos.
        seconds: each size is measured for so long, but once at least.
    """
    rates = {}
    for size in (size for size in BATCHES if size <= largest):
        batch = torch.stack([picture] * size).to(device)
        bare.run(batch)
        _wait(device)
        runs, started = 0, time.perf_counter()
        while runs == 0 or time.perf_counter() - started < seconds:
            bare.run(batch)
            _wait(device)
            runs += 1
        rates[size] = runs * size / (time.perf_counter() - started)
    return rates


def limit_rate(bare: Bare, picture: torch.Tensor, device: torch.device, dtype: torch.dtype, size: int) -> float:
    """Compute the photos a second that the chip would allow in batches of ``size``.

    Its arithmetic: torch's own count of the batch's operations, at the speed of the largest matrix product here. For
    captions also its memory: the decoder's weights once a token, at the speed of a large copy here.
    """
    batch = torch.stack([picture] * size).to(device)
    with FlopCounterMode(display=False) as counter:
        bare.run(batch)
    arithmetic = counter.get_total_flops() / _peak_flops(device, dtype)
    reading = bare.run_bytes / _peak_bytes(device) if bare.run_bytes else 0.0
    return float(size / max(arithmetic, reading))


def _peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Measure the floating-point operations a second."""
    side = 8192 if device.type == "cuda" else 2048
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in "ab")
    return 2 * side**3 / _best_seconds(lambda: left @ right, device)


def _peak_bytes(device: torch.device) -> float:
    """Measure the bytes read and written a second."""
    source = torch.empty(2**30 if device.type == "cuda" else 2**28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _best_seconds(lambda: target.copy_(source), device)


def _best_seconds(work: Callable[[], object], device: torch.device) -> float:
    best = float("inf")
    for _ in range(8):
        _wait(device)
        started = time.perf_counter()
        work()
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
