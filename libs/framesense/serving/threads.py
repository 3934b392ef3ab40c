"""How the model servers of a host share its cores, and which threads of one compute with many of them: the model's.

OpenMP's threads wait for one another by spinning. That is quick where a process has its cores to itself; where
captioner, tagger, decoder and others are busy at a time, those that spin hold the cores that the others need, and a
caption takes several times as long, most of it spent waiting. So they sleep while they wait.

Each thread that computes with torch gets a team of OpenMP threads, one a core, which stays as long as that thread does.
Once there are more such threads than cores, OpenMP lets them sleep between any two steps rather than wait awake, and
waking them takes longer than many a step: a caption of BLIP took half as long again because the thread that had loaded
the model, long idle, still had its team. So other threads either end with their work, or keep to one core.

For model servers only.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from framesense.cores import available_cores

Result = TypeVar("Result")


def share_cores(threads: int | None) -> None:
    """Let torch use so many cores in this process, and its threads sleep while they wait.

    To be called before torch is loaded, which reads the environment once; OpenMP's own variables have the last word
    where they are set. None: as many as :func:`framesense.cores.available_cores` finds.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    cores = threads or available_cores()
    if threads or cores < len(os.sched_getaffinity(0)):  # else torch's own choice, one a physical core, is as good
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))


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
