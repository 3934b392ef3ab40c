"""The model's life inside the service: loaded in the background, ready, gone."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from framesense.batching import BatcherClosed, BatchObserver, QueueFull
from framesense.problems import ProblemError
from framesense.schemas.models import ModelInfo
from framesense.uploads import Upload
from tagger.embedding import Batcher, Embedder
from tagger.settings import TaggerSettings

log = logging.getLogger("tagger")

Floats = NDArray[np.float32]


class Runtime:
    """An async context manager. Until the model is loaded, and if it cannot be, every call says so with a 503."""

    def __init__(
        self,
        settings: TaggerSettings,
        observer: BatchObserver,
        load: Callable[[TaggerSettings], Embedder] = Embedder.load,
    ) -> None:
        self._settings, self._observer, self._load = settings, observer, load
        self._loading: asyncio.Task[None] | None = None
        self._failure: str | None = None
        self._embedder: Embedder | None = None
        self._batcher: Batcher | None = None

    async def __aenter__(self) -> Self:
        self._loading = asyncio.create_task(self._start(), name="load-model")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loading is not None:
            await self._loading
        if self._batcher is not None:
            await self._batcher.__aexit__(kind, error, trace)

    async def _start(self) -> None:
        try:
            embedder = await asyncio.to_thread(self._load, self._settings)
        except Exception as error:  # told through /ready and every answer; the process stays up to tell it
            log.exception("the model cannot be loaded")
            self._failure = f"{type(error).__name__}: {error}"
            return
        self._batcher = await embedder.batcher(self._settings, self._observer).__aenter__()
        self._embedder = embedder

    async def check(self) -> None:
        """The readiness check."""
        self._loaded()

    @property
    def embedder(self) -> Embedder:
        """Raises ProblemError 503 while there is none."""
        return self._loaded()[0]

    @property
    def info(self) -> ModelInfo:
        return self.embedder.info

    async def embed(self, uploads: Sequence[Upload]) -> Floats:
        """n ≥ 1 images, at most as many as the queue holds → n × dimensions, L2-normalised.

        Raises ProblemError: 4xx for an image that cannot be taken, 503 when busy or not ready.
        """
        _, batcher = self._loaded()
        try:
            return np.stack(await batcher.submit(None, uploads))
        except QueueFull as error:
            detail = f"{error.waiting} images are waiting already. Try again in {error.retry_after} s."
            headers = {"Retry-After": str(error.retry_after)}
            raise ProblemError(503, "tagger-busy", "Tagger busy", detail, headers=headers) from error
        except BatcherClosed as error:
            detail = "The tagger is shutting down. Try again in a moment."
            raise ProblemError(
                503, "tagger-stopping", "Tagger stopping", detail, headers={"Retry-After": "5"}
            ) from error

    def _loaded(self) -> tuple[Embedder, Batcher]:
        if self._embedder is not None and self._batcher is not None:
            return self._embedder, self._batcher
        if self._failure is not None:
            detail = f"The model {self._settings.tagger_model} cannot be loaded: {self._failure}"
            raise ProblemError(503, "model-failed", "Model failed to load", detail, headers={"Retry-After": "60"})
        detail = f"The model {self._settings.tagger_model} is being loaded. Try again in a moment."
        raise ProblemError(503, "model-loading", "Model loading", detail, headers={"Retry-After": "2"})
