"""The components that routes work with, put together once by the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from framesense.http.uploads import UploadLimits
from framesense.media.archives import ArchiveLimits
from framesense.serving.runtime import ModelRuntime
from framesense.storage.blobs import Storage
from tagger.classifiers.heads import Classifiers
from tagger.labels.label_sets import LabelSets
from tagger.labels.validation import LabelLimits
from tagger.serving import BatchedEmbedder
from tagger.settings import TaggerSettings


@dataclass(frozen=True)
class TaggerDependencies:
    runtime: ModelRuntime[BatchedEmbedder]
    classifiers: Classifiers
    label_sets: LabelSets
    labels: LabelLimits
    images: UploadLimits
    heads: UploadLimits
    labelled: UploadLimits
    """Of a request with labelled photos: as files, or as one zip."""
    archives: ArchiveLimits
    chunk: int
    """Images that are given to the micro-batcher at once, where there are more than a request may hold."""

    @classmethod
    def build(cls, settings: TaggerSettings, runtime: ModelRuntime[BatchedEmbedder]) -> Self:
        storage = Storage(settings.storage_url)
        limits = LabelLimits.of(settings)
        request = settings.tagger_max_request_bytes
        return cls(
            runtime=runtime,
            classifiers=Classifiers(storage, limits, settings.tagger_max_stored),
            label_sets=LabelSets(storage, limits, settings.tagger_max_stored),
            labels=limits,
            images=UploadLimits(request, settings.max_image_bytes, settings.tagger_max_images),
            heads=UploadLimits(settings.tagger_max_head_bytes + 10_000, settings.tagger_max_head_bytes, 1),
            labelled=UploadLimits(request, request, settings.tagger_max_archive_images),
            archives=ArchiveLimits(
                settings.tagger_max_archive_images, settings.tagger_max_archive_bytes, settings.max_image_bytes
            ),
            chunk=settings.tagger_max_images,
        )
