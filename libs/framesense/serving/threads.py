"""Which threads of a model server compute with many cores: the model's alone.

Each thread that computes with torch gets a team of OpenMP threads, one a core, which stays as long as that thread does.
Once there are more such threads than cores, OpenMP lets them sleep between any two steps rather than wait awake, and
waking them takes longer than many a step: a caption of BLIP took half as long again because the thread that had loaded
the model, long idle, still had its team. So other threads either end with their work, or keep to one core.

For model servers only.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


async def in_own_thread(function: Callable[..., Result], *args: Any) -> Result:
    """Call a function in a thread that is gone afterwards, with its team: for work that may use all cores.

    Otherwise it is called as ``asyncio.to_thread`` does.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="own")
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, function, *args)
    finally:
        thread.shutdown(wait=False)


def keep_to_one_core() -> None:
    """Let the calling thread compute without a team from now on: for threads that prepare pictures beside the model."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.get_num_threads()  # torch sets up each thread once, which would undo the limit
    threadpool_limits(1, user_api="openmp")
