"""One analysis: frames are decoded, captioned and stored at the same time, a batch here and a batch there.

Batches are stored in order, so that what is stored is always the beginning of the whole: another worker goes on where
it ends.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from framesense.clients.captioner import CaptionBatch
from framesense.clients.tagger import EmbeddingBatch
from framesense.http.problems import ProblemError
from framesense.novelty.patches import PackedGrids
from framesense.schemas.models import ModelInfo
from framesense.storage.analyses import AnalysisStore, Frames, VideoModels
from worker.jobs.concurrency import map_ahead, run_ahead
from worker.jobs.model_change import changes_explain_refusals, require_same_model
from worker.settings import WorkerSettings
from worker.thumbnails import write_thumbnail
from worker.videos.caption_hysteresis import CaptionHysteresis
from worker.videos.frames import SampledFrame
from worker.videos.motion import resized
from worker.videos.rendering import Picture

BATCHES_TO_OVERLAP, LEAST_BATCH = 8, 4
MOST_FRAMES = 1024
"""Frames of a batch, though most show one picture: what is finished is stored now and then."""


class Captioner(Protocol):
    """The part of :class:`framesense.clients.captioner.CaptionerClient` that an analysis needs."""

    def model(self) -> ModelInfo: ...

    def caption(
        self, frames: Sequence[Picture], *, beams: int = ..., max_tokens: int = ..., pooled: bool = ...
    ) -> CaptionBatch: ...


class SampledVideo(Protocol):
    """The part of :class:`worker.videos.isolated.IsolatedVideo` that an analysis needs."""

    def count(self, every_n_second: float) -> int: ...

    def moving_samples(
        self, every_n_second: float, *, start: int = ..., longest_side: int = ...
    ) -> Iterator[SampledFrame]: ...


class Embedder(Protocol):
    """The part of :class:`framesense.clients.tagger.TaggerClient` that an analysis needs."""

    def model(self) -> ModelInfo: ...

    def embed(self, pictures: Sequence[Picture]) -> EmbeddingBatch: ...

    def embed_features(self, features: NDArray[np.float32], encoder: str) -> EmbeddingBatch: ...


@dataclass(frozen=True)
class Question:
    """The settings of an analysis; with the video and the models they name it (its ``key``)."""

    key: str
    every_n_second: float
    beams: int
    max_tokens: int
    models: VideoModels
    video_stream: int | None = None


@dataclass(frozen=True)
class _Batch:
    """Frames of which ``pictures`` differ: frame i shows picture ``shown[i]``."""

    frames: list[SampledFrame] = field(default_factory=list)
    thumbnails: list[bytes] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)

    def repeats(self, frame: SampledFrame) -> bool:
        """Tell whether this frame looks exactly like the one before, as that of a screen that stands still."""
        return bool(self.pictures) and (
            frame.picture is self.pictures[-1] or np.array_equal(frame.picture, self.pictures[-1])
        )

    def add(self, frame: SampledFrame, settings: WorkerSettings, *, repeated: bool) -> None:
        if not repeated:
            self.pictures.append(frame.picture)
        self.thumbnails.append(self.thumbnails[-1] if repeated else write_thumbnail(frame.picture, settings))
        self.frames.append(replace(frame, picture=self.pictures[-1]))  # not a copy of it for every time
        self.shown.append(len(self.pictures) - 1)


def analyse(
    video: SampledVideo,
    question: Question,
    captioner: Captioner,
    embedder: Embedder | None,
    store: AnalysisStore,
    settings: WorkerSettings,
    *,
    done: int,
    on_progress: Callable[[int], None],
    stop: threading.Event,
) -> None:
    """Caption, embed and store the frames from number ``done`` on.

    ``on_progress`` gets the number stored after each batch. ``embedder``: None where no search in words is wanted.

    Raises ProblemError for a video that cannot be decoded or a model server that refuses, ModelChanged,
    CaptionerUnavailable, TaggerUnavailable, and Stopped soon after ``stop`` is set: what is stored until then is whole
    batches.
    """

    def look(batch: _Batch) -> tuple[CaptionBatch, EmbeddingBatch | None]:
        pictures = batch.pictures
        with changes_explain_refusals(captioner.model, question.models.captioner):
            captioned = captioner.caption(
                pictures, beams=question.beams, max_tokens=question.max_tokens, pooled=shared is not None
            )
        require_same_model(captioned.model, question.models.captioner)
        if not (embedder and question.models.tagger):
            return captioned, None
        with changes_explain_refusals(embedder.model, question.models.tagger):
            if shared is None or captioned.pooled is None:
                embedded = embedder.embed(pictures)
            else:
                embedded = embedder.embed_features(captioned.pooled, shared)
        require_same_model(embedded.model, question.models.tagger)
        return captioned, embedded

    shared = question.models.shared_encoder
    hysteresis = CaptionHysteresis.resumed(store, question.key)
    deadline = time.monotonic() + settings.worker_video_seconds
    with (
        closing(run_ahead(_batches(video, question, settings, done), depth=settings.worker_prefetch, stop=stop)) as (
            decoded
        ),
        closing(map_ahead(look, decoded, calls=settings.worker_requests, stop=stop)) as seen,
    ):
        for batch, (answer, embedded) in seen:
            if time.monotonic() > deadline:
                raise _took_too_long(settings.worker_video_seconds)
            answer, shown = hysteresis.apply(answer), batch.shown
            frames = Frames(
                times=np.array([frame.time for frame in batch.frames]),
                captions=[answer.texts[picture] for picture in shown],
                words=answer.words[shown],
                sentences=answer.sentences[shown],
                visual=None if answer.visual is None else answer.visual[shown],
                aligned=embedded.embeddings[shown] if embedded else None,
                confidences=None if answer.confidences is None else answer.confidences[shown],
            )
            patches = None if answer.patches is None else _packed(answer.patches[shown], batch.frames)
            store.append(question.key, batch.frames[0].index, frames, batch.thumbnails, patches)
            on_progress(batch.frames[-1].index + 1)


def _took_too_long(seconds: float) -> ProblemError:
    detail = (
        f"The video took more than {seconds:g} s. Frames that are finished are kept: send it again and the job goes on "
        f"from there, or look at it less often."
    )
    return ProblemError(422, "video-too-slow", "Video too slow", detail)


def _packed(grids: NDArray[np.float32], frames: Sequence[SampledFrame]) -> PackedGrids:
    """Pack the descriptors with the motion of the same places."""
    rows, columns = grids.shape[1:3]
    motions = [resized(frame.motion, rows, columns) for frame in frames if frame.motion is not None]
    return PackedGrids.pack(grids, np.stack(motions) if len(motions) == len(grids) else None)


def _batches(video: SampledVideo, question: Question, settings: WorkerSettings, start: int) -> Iterator[_Batch]:
    # A short job in full batches would decode first and caption afterwards; smaller ones let the two overlap.
    size = min(settings.worker_batch, max(LEAST_BATCH, video.count(question.every_n_second) // BATCHES_TO_OVERLAP))
    batch = _Batch()
    for frame in video.moving_samples(question.every_n_second, start=start, longest_side=settings.worker_frame_size):
        # A picture that stays on screen is looked at once: its copies go into the batch of the first.
        repeated = batch.repeats(frame)
        if (len(batch.pictures) == size and not repeated) or len(batch.frames) == MOST_FRAMES:
            yield batch
            batch, repeated = _Batch(), False
        batch.add(frame, settings, repeated=repeated)
    if batch.frames:
        yield batch
