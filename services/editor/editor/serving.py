"""Pair a loaded model with the queue of edits that wait for it: the runtime loads both, a request borrows them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from editor.edits.edit_queue import EditQueue, QueueClosed, QueueFull
from editor.edits.editing import EditExecutor, EventTask
from editor.edits.resolve import capabilities, resolve
from editor.edits.sources import PhotoLimits, prepare
from editor.metrics import EditMetrics
from editor.models.base import LoadedModel
from editor.settings import EditorSettings
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.schemas.edits import EditEvent, EditorCapabilities, EditParameters
from framesense.schemas.models import ModelInfo
from framesense.serving.unavailable import busy, stopping

log = logging.getLogger(__name__)

Loader = Callable[[EditorSettings], LoadedModel]


class QueuedEditor:
    """Pairs a loaded model with the queue of edits; a :class:`framesense.serving.runtime.Servable`."""

    def __init__(self, loaded: LoadedModel, settings: EditorSettings, metrics: EditMetrics) -> None:
        self._loaded = loaded
        self._executor = EditExecutor(loaded, settings, metrics)
        self._queue: EditQueue[EditEvent] = EditQueue(settings.editor_max_queue, metrics.queue_changed)
        self._limits = PhotoLimits.of(settings)

    @classmethod
    def load(cls, settings: EditorSettings, metrics: EditMetrics, load: Loader) -> QueuedEditor:
        """Load and, where it takes no more than a moment, warm up.

        Raises ValueError or OSError, in words a person can act on.
        """
        if settings.editor_threads is not None:
            import torch

            torch.set_num_threads(settings.editor_threads)
        loaded = load(settings)
        editor = cls(loaded, settings, metrics)
        # A step of a large model takes a minute on a CPU.
        if loaded.model.abilities.any_size or loaded.info.device != "cpu":
            editor._executor.warm_up()
        log.info("%s (%s) is ready on %s", loaded.info.name, loaded.info.revision, loaded.info.device)
        return editor

    @property
    def info(self) -> ModelInfo:
        return self._loaded.info

    @property
    def batch_limit(self) -> int | None:
        return self._executor.batch_limit

    @property
    def capabilities(self) -> EditorCapabilities:
        return capabilities(self._loaded.model.abilities, self._loaded.info)

    async def start(self) -> None:
        """Do nothing: the queue's threads start by themselves."""

    def abort(self) -> None:
        """End every edit at its next step; whoever waits for one is told that the editor is shutting down."""
        self._queue.abort()

    async def stop(self) -> None:
        await self._queue.close()

    async def submit(self, parameters: EditParameters, image: Upload | None, mask: Upload | None) -> EventTask:
        """Check everything that can be checked, then queue the edit.

        Raises ProblemError: 4xx for what cannot be done or taken, 503 when too many are waiting.
        """
        abilities, info = self._loaded.model.abilities, self._loaded.info
        resolved = resolve(parameters, abilities, info, has_image=image is not None, has_mask=mask is not None)
        self._require_room()  # rather than after the work of decoding
        prepared = await asyncio.to_thread(prepare, resolved, image, mask, self._limits, abilities.size)
        try:
            return self._queue.submit(lambda task: self._executor.run(prepared, task))
        except QueueFull as error:
            raise _busy(error) from error
        except QueueClosed as error:
            raise stopping("editor") from error

    def cancel(self, task: EventTask) -> None:
        self._queue.cancel(task)

    def _require_room(self) -> None:
        try:
            self._queue.require_room()
        except QueueFull as error:
            raise _busy(error) from error


def _busy(full: QueueFull) -> ProblemError:
    return busy("editor", "edits", full.waiting, full.retry_after)
