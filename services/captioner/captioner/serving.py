"""A captioner with the micro-batcher that feeds it: what the model runtime loads, and a request borrows."""

from __future__ import annotations

from collections.abc import Sequence

from captioner.captioning import Captioner, CaptionOptions, Described
from captioner.settings import CaptionerSettings
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.schemas.models import ModelInfo
from framesense.serving.batching import BatcherClosed, BatchObserver, QueueFull


class Serving:
    """A :class:`framesense.serving.runtime.Servable`."""

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
        """One caption an image, in order.

        Raises ProblemError: 4xx for an image or an option that cannot be taken, 503 when busy.
        """
        self._captioner.check(options)
        try:
            return await self._batcher.submit(options, uploads)
        except QueueFull as error:
            detail = f"{error.waiting} images are waiting already. Try again in {error.retry_after} s."
            headers = {"Retry-After": str(error.retry_after)}
            raise ProblemError(503, "captioner-busy", "Captioner busy", detail, headers=headers) from error
        except BatcherClosed as error:
            detail = "The captioner is shutting down. Try again in a moment."
            headers = {"Retry-After": "5"}
            raise ProblemError(503, "captioner-stopping", "Captioner stopping", detail, headers=headers) from error
