"""Batches that do not fit: halved, remembered, and told where nothing helps."""

import pytest
import torch

from framesense.http.problems import ProblemError
from framesense.models.errors import is_out_of_memory
from framesense.serving.batching import MicroBatcher
from framesense.serving.oom_retry import OomRetryBatcher


class SmallGpu:
    """Doubles at most ``room`` numbers at once; more raise what torch raises."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sizes: list[int] = []

    def run(self, key: str, items: list[int]) -> list[int]:
        self.sizes.append(len(items))
        if len(items) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [2 * item for item in items]


def test_a_batch_is_halved_until_it_fits_and_the_size_is_remembered() -> None:
    gpu = SmallGpu(room=5)
    runner = OomRetryBatcher(gpu.run)
    assert runner.limit is None
    assert runner("a", list(range(16))) == [2 * n for n in range(16)]
    assert gpu.sizes == [16, 8, 4, 4, 4, 4]
    assert runner.limit == 4
    gpu.sizes.clear()
    assert runner("a", list(range(10))) == [2 * n for n in range(10)]
    assert gpu.sizes == [4, 4, 2]


def test_the_limit_is_of_one_kind_of_call() -> None:
    gpu = SmallGpu(room=2)
    runner = OomRetryBatcher(gpu.run)
    runner("many beams", [1, 2, 3, 4])
    gpu.room, gpu.sizes = 8, []
    runner("greedy", list(range(8)))
    assert gpu.sizes == [8]


def test_where_not_one_fits_it_is_told() -> None:
    with pytest.raises(ProblemError, match="fewer beams") as told:
        OomRetryBatcher(SmallGpu(room=0).run)("a", [1, 2])
    assert (told.value.status, told.value.slug) == (503, "out-of-memory")


def test_other_errors_pass() -> None:
    def run(key: str, items: list[int]) -> list[int]:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        OomRetryBatcher(run)("a", [1, 2])


def test_too_few_results_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 results for 2"):
        OomRetryBatcher[str, int, int](lambda key, items: items[1:])("a", [1, 2])


def test_what_the_cpus_allocator_says_is_known() -> None:
    with pytest.raises(RuntimeError) as failed:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(failed.value)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("no"))


async def test_behind_a_micro_batcher_every_caller_gets_an_answer() -> None:
    gpu = SmallGpu(room=3)
    runner = OomRetryBatcher(gpu.run)
    async with MicroBatcher[str, int, int, int](
        lambda item: item, runner, max_batch=8, max_wait=1, max_queue=50
    ) as batches:
        assert await batches.submit("a", range(24)) == [2 * n for n in range(24)]
    assert max(gpu.sizes[3:]) <= 3
