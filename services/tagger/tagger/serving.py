"""An embedder with the micro-batcher that feeds it: what the model runtime loads, and a request borrows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.schemas.models import ModelInfo
from framesense.serving.batching import BatcherClosed, BatchObserver, QueueFull
from tagger.embeddings.encoding import Embedder
from tagger.settings import TaggerSettings

Floats = NDArray[np.float32]


class Serving:
    """A :class:`framesense.serving.runtime.Servable`."""

    def __init__(self, embedder: Embedder, settings: TaggerSettings, observer: BatchObserver) -> None:
        self.embedder = embedder
        self._batcher = embedder.batcher(settings, observer)

    @property
    def info(self) -> ModelInfo:
        return self.embedder.info

    @property
    def batch_limit(self) -> int | None:
        return self.embedder.batch_limit

    async def start(self) -> None:
        await self._batcher.__aenter__()

    async def stop(self) -> None:
        await self._batcher.__aexit__(None, None, None)

    async def embed(self, uploads: Sequence[Upload]) -> Floats:
        """n ≥ 1 images, at most as many as the queue holds → n × dimensions, L2-normalised.

        Raises ProblemError: 4xx for an image that cannot be taken, 503 when busy.
        """
        try:
            return np.stack(await self._batcher.submit(None, uploads))
        except QueueFull as error:
            detail = f"{error.waiting} images are waiting already. Try again in {error.retry_after} s."
            headers = {"Retry-After": str(error.retry_after)}
            raise ProblemError(503, "tagger-busy", "Tagger busy", detail, headers=headers) from error
        except BatcherClosed as error:
            detail = "The tagger is shutting down. Try again in a moment."
            headers = {"Retry-After": "5"}
            raise ProblemError(503, "tagger-stopping", "Tagger stopping", detail, headers=headers) from error
