"""How much memory this process holds, and giving back what it no longer needs. Asks torch only where it is loaded."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from pathlib import Path


def resident_bytes() -> int:
    """Return the process's resident memory; 0 where the system does not tell (other than Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    import resource

    return pages * resource.getpagesize()


def gpu_bytes() -> int:
    """Return how much torch's tensors hold on all GPUs together; 0 without one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return 0
    return sum(int(torch.cuda.memory_allocated(index)) for index in range(torch.cuda.device_count()))


def release() -> None:
    """Give memory back to the system, once the last reference to a model has gone.

    Collects cycles, empties torch's cache, and returns the heap's free pages.
    """
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # not glibc: nothing of the kind to call
            ctypes.CDLL("libc.so.6").malloc_trim(0)
