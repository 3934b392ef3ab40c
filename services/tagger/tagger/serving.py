"""An embedder behind its micro-batcher: the model runtime loads it, a request borrows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from framesense.http.uploads import Upload
from framesense.schemas.models import ModelInfo
from framesense.serving.batching import BatchObserver
from framesense.serving.unavailable import batcher_problems
from tagger.embeddings.encoding import Embedder
from tagger.settings import TaggerSettings

Floats = NDArray[np.float32]


class BatchedEmbedder:
    """Embed images in batches; a :class:`framesense.serving.runtime.Servable`."""

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
        """Embed n ≥ 1 images, at most as many as the queue holds: n × dimensions, L2-normalised.

        Raises ProblemError: 4xx for an image that cannot be taken, 503 when busy.
        """
        with batcher_problems("tagger"):
            return np.stack(await self._batcher.submit(None, uploads))
