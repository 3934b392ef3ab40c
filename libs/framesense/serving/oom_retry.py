"""A batch that does not fit into memory is run in halves, and the size that fits is remembered.

How many pictures fit depends on the GPU, on what else runs there and on the options of the call, so it is found out
rather than set: the first batch that is too large costs a failed call, those after it are of the right size at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from framesense.http.problems import ProblemError
from framesense.models.errors import is_out_of_memory
from framesense.serving.memory import release

log = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")


class OomRetryBatcher(Generic[Key, Prepared, Result]):
    """Run batches, in parts where memory is short.

    Wraps the ``run`` of a :class:`~framesense.serving.batching.MicroBatcher`, on whose one thread it is called.
    """

    def __init__(self, run: Callable[[Key, list[Prepared]], Sequence[Result]]) -> None:
        self._run = run
        self._limits: dict[Key, int] = {}

    @property
    def limit(self) -> int | None:
        """Return the smallest size that a key was cut down to; None while every batch has fitted."""
        return min(self._limits.values(), default=None)

    def __call__(self, key: Key, items: list[Prepared]) -> list[Result]:
        """Return one result an item, in order, from as many calls as it takes.

        Raises ProblemError 503 where not even one item fits, and what ``run`` raises otherwise.
        """
        results: list[Result] = []
        while len(results) < len(items):
            size = min(self._limits.get(key, len(items)), len(items) - len(results))
            batch = items[len(results) : len(results) + size]
            done = self._attempt(key, batch)
            if done is None:
                self._halve(key, size)
            elif len(done) != size:
                raise ValueError(f"the model gave {len(done)} results for {size} items")
            else:
                results += done
        return results

    def _attempt(self, key: Key, batch: list[Prepared]) -> Sequence[Result] | None:
        """Run a batch; return None when it did not fit.

        Nothing is released before it has returned: an exception's traceback holds the tensors of the failed call.
        """
        try:
            return self._run(key, batch)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _halve(self, key: Key, size: int) -> None:
        release()
        if size == 1:
            detail = (
                "There is not enough memory for a single picture. Ask for fewer beams or tokens, use a smaller model, "
                "or stop what else uses this device."
            )
            raise ProblemError(503, "out-of-memory", "Out of memory", detail, headers={"Retry-After": "30"})
        self._limits[key] = size // 2
        log.warning("a batch of %d ran out of memory; from now on at most %d a call with %s", size, size // 2, key)
