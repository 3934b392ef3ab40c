"""The model's life inside the service: loaded in the background, ready, gone."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from captioner.captioning import Batcher, Captioner, CaptionOptions, Described
from captioner.settings import CaptionerSettings
from framesense.batching import BatcherClosed, BatchObserver, QueueFull
from framesense.problems import ProblemError
from framesense.schemas.models import ModelInfo
from framesense.uploads import Upload

log = logging.getLogger("captioner")


class Runtime:
    """An async context manager. Until the model is loaded, and if it cannot be, every call says so with a 503."""

    def __init__(
        self,
        settings: CaptionerSettings,
        observer: BatchObserver,
        load: Callable[[CaptionerSettings], Captioner],
    ) -> None:
        self._settings, self._observer, self._load = settings, observer, load
        self._loading: asyncio.Task[None] | None = None
        self._failure: str | None = None
        self._captioner: Captioner | None = None
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
            captioner = await asyncio.to_thread(self._load, self._settings)
        except Exception as error:  # told through /ready and every answer; the process stays up to tell it
            log.exception("the model cannot be loaded")
            self._failure = f"{type(error).__name__}: {error}"
            return
        self._batcher = await captioner.batcher(self._settings, self._observer).__aenter__()
        self._captioner = captioner

    async def check(self) -> None:
        """The readiness check."""
        self._loaded()

    @property
    def info(self) -> ModelInfo:
        return self._loaded()[0].info

    async def caption(self, uploads: Sequence[Upload], options: CaptionOptions) -> list[Described]:
        """One caption an image, in order.

        Raises ProblemError: 4xx for an image or an option that cannot be taken, 503 when busy or not ready.
        """
        captioner, batcher = self._loaded()
        captioner.check(options)
        try:
            return await batcher.submit(options, uploads)
        except QueueFull as error:
            detail = f"{error.waiting} images are waiting already. Try again in {error.retry_after} s."
            headers = {"Retry-After": str(error.retry_after)}
            raise ProblemError(503, "captioner-busy", "Captioner busy", detail, headers=headers) from error
        except BatcherClosed as error:
            detail = "The captioner is shutting down. Try again in a moment."
            headers = {"Retry-After": "5"}
            raise ProblemError(503, "captioner-stopping", "Captioner stopping", detail, headers=headers) from error

    def _loaded(self) -> tuple[Captioner, Batcher]:
        if self._captioner is not None and self._batcher is not None:
            return self._captioner, self._batcher
        if self._failure is not None:
            detail = f"The model {self._settings.captioner_model} cannot be loaded: {self._failure}"
            raise ProblemError(503, "model-failed", "Model failed to load", detail, headers={"Retry-After": "60"})
        detail = f"The model {self._settings.captioner_model} is being loaded. Try again in a moment."
        raise ProblemError(503, "model-loading", "Model loading", detail, headers={"Retry-After": "2"})
