"""A captioner behind its micro-batcher: the model runtime loads it, a request borrows it."""

from __future__ import annotations

from collections.abc import Sequence

from captioner.captioning import Captioner, CaptionOptions, Described
from captioner.settings import CaptionerSettings
from framesense.http.uploads import Upload
from framesense.schemas.models import ModelInfo
from framesense.serving.batching import BatchObserver
from framesense.serving.unavailable import batcher_problems


class BatchedCaptioner:
    """Caption images in batches; a :class:`framesense.serving.runtime.Servable`."""

    def __init__(self, captioner: Captioner, settings: CaptionerSettings, observer: BatchObserver) -> None:
        self._captioner, self._batcher = captioner, captioner.batcher(settings, observer)

    @property
    def info(self) -> ModelInfo:
        return self._captioner.info

    @property
    def batch_limit(self) -> int | None:
        return self._captioner.batch_limit

    async def start(self) -> None:
        await self._batcher.__aenter__()

    async def stop(self) -> None:
        await self._batcher.__aexit__(None, None, None)

    async def caption(self, uploads: Sequence[Upload], options: CaptionOptions) -> list[Described]:
        """Return one caption an image, in order.

        Raises ProblemError: 4xx for an image or an option that cannot be taken, 503 when busy.
        """
        self._captioner.check(options)
        with batcher_problems("captioner"):
            return await self._batcher.submit(options, uploads)
