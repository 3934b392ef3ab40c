"""The photos of a zip are read, tagged and stored at the same time, a batch here and a batch there.

Batches are stored in order, so that what is stored is always the beginning of the whole: another worker goes on where
it ends.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Protocol

from framesense.clients.tagger import TagBatch, TagQuestion
from framesense.media.archives import PhotoArchive
from framesense.media.images import RGB
from framesense.schemas.models import ModelInfo
from framesense.storage.photo_sets import PhotoSetStore, Rule, Tagged
from worker.jobs.concurrency import map_ahead, run_ahead
from worker.jobs.model_change import require_same_model
from worker.photo_sets.reading import Batch, read_batches
from worker.settings import WorkerSettings


class Tagger(Protocol):
    """The part of :class:`framesense.clients.tagger.TaggerClient` that tagging needs."""

    def tag(self, pictures: Sequence[RGB], question: TagQuestion) -> TagBatch: ...


def tag_photos(
    archive: PhotoArchive,
    key: str,
    question: TagQuestion,
    model: ModelInfo,
    tagger: Tagger,
    store: PhotoSetStore,
    settings: WorkerSettings,
    *,
    finished: Tagged | None,
    on_progress: Callable[[int], None],
    stop: threading.Event,
) -> None:
    """Tag and store the photos that are not ``finished``.

    ``on_progress`` gets the number of entries done after each batch.

    Raises ProblemError for a tagger that refuses, ModelChanged, TaggerUnavailable, and Stopped soon after ``stop`` is
    set: what is stored until then is whole batches.
    """
    start, photos = (finished.entries, len(finished)) if finished else (0, 0)

    def tag(batch: Batch) -> TagBatch:
        return tagger.tag([photo.picture for photo in batch.photos], question)

    batches = read_batches(archive, settings, start=start)
    with (
        closing(run_ahead(batches, depth=settings.worker_prefetch, stop=stop)) as read,
        closing(map_ahead(tag, read, calls=settings.worker_requests, stop=stop)) as tagged,
    ):
        for batch, answer in tagged:
            require_same_model(answer.model, model)
            store.append(key, batch.first, photos, _chunk(batch, answer), [photo.thumbnail for photo in batch.photos])
            photos += len(batch.photos)
            on_progress(batch.first + batch.entries)


def _chunk(batch: Batch, answer: TagBatch) -> Tagged:
    return Tagged(
        rule=Rule(
            threshold=answer.threshold,
            threshold_on=answer.threshold_on,
            warnings=answer.warnings,
            model=answer.model,
        ),
        entries=batch.entries,
        skipped=batch.skipped,
        files=[photo.file for photo in batch.photos],
        embeddings=answer.embeddings,
        cosine=answer.cosine,
        probability=answer.probability,
        tagged=answer.tagged,
    )
