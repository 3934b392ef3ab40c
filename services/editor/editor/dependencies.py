"""The components that routes work with, put together once by the application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from editor.metrics import EditMetrics
from editor.serving import QueuedEditor
from editor.settings import EditorSettings
from framesense.http.uploads import UploadLimits
from framesense.serving.runtime import ModelRuntime


@dataclass(frozen=True)
class EditorDependencies:
    runtime: ModelRuntime[QueuedEditor]
    metrics: EditMetrics
    files: UploadLimits
    """Of a request: a photo and a mask."""
    keep_alive: float
    """Seconds of silence after which a waiting caller is sent a sign of life."""

    @classmethod
    def build(cls, settings: EditorSettings, runtime: ModelRuntime[QueuedEditor], metrics: EditMetrics) -> Self:
        return cls(
            runtime=runtime,
            metrics=metrics,
            files=UploadLimits(settings.editor_max_request_bytes, settings.max_image_bytes, 2),
            keep_alive=settings.editor_keep_alive,
        )
