"""Image files and texts → embeddings: decoding and the model behind one micro-batcher, texts behind a cache."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.media.budget import PixelBudget
from framesense.media.images import ImageLimits, decode_image
from framesense.models.encoders.e5 import MultilingualUnavailableError
from framesense.schemas.models import ModelInfo
from framesense.serving.batching import BatchObserver, MicroBatcher
from framesense.serving.compiled_batches import Compilable
from framesense.serving.oom_retry import OomRetryBatcher
from framesense.serving.threads import keep_to_one_core
from tagger.labels.prompts import TextCache, ensemble
from tagger.models.base import FeatureHead, LoadedModel
from tagger.models.factory import load_model
from tagger.settings import TaggerSettings
from tagger.tags.calibration import Calibration

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Batcher = MicroBatcher[None, Upload, Tensor, Floats]


class Embedder:
    """Embed images and texts with a loaded model; a micro-batcher calls ``prepare`` and ``embed``, any thread
    ``embed_labels``.
    """

    def __init__(self, loaded: LoadedModel, limits: ImageLimits, text_cache: int) -> None:
        self._loaded, self._limits = loaded, limits
        self._runner = OomRetryBatcher[None, Tensor, Floats](self.embed)
        self._texts = TextCache(self._encode_texts, text_cache)

    @classmethod
    def load(cls, settings: TaggerSettings) -> Self:
        """Load and warm up, so that the first request is no slower than the next.

        Raises ValueError or OSError, in words a person can act on.
        """
        if settings.tagger_threads is not None:
            torch.set_num_threads(settings.tagger_threads)
        loaded = load_model(settings)
        if settings.tagger_compile:
            if not isinstance(loaded.model, Compilable):
                raise ValueError(f"{loaded.info.name} is not compiled; set TAGGER_COMPILE=false")
            loaded.model.compile(settings.tagger_max_batch)
        limits = ImageLimits(
            settings.max_image_bytes, settings.max_image_pixels, PixelBudget(settings.max_pixels_at_once)
        )
        embedder = cls(loaded, limits, settings.tagger_text_cache)
        embedder._warm_up(settings.tagger_max_batch)
        log.info("%s (%s) is ready on %s", loaded.info.name, loaded.info.revision, loaded.info.device)
        return embedder

    @property
    def info(self) -> ModelInfo:
        return self._loaded.info

    @property
    def batch_limit(self) -> int | None:
        """Return the most images a model call, once a larger batch ran out of memory."""
        return self._runner.limit

    @property
    def calibration(self) -> Calibration:
        return self._loaded.calibration

    def batcher(self, settings: TaggerSettings, observer: BatchObserver) -> Batcher:
        return MicroBatcher(
            self.prepare,
            self._runner,
            max_batch=settings.tagger_max_batch,
            max_wait=settings.tagger_max_wait,
            max_queue=settings.tagger_max_queue,
            prepare_threads=settings.tagger_decode_threads,
            prepare_setup=keep_to_one_core,
            observer=observer,
        )

    def prepare(self, upload: Upload) -> Tensor:
        """Decode and preprocess an image. Raises ProblemError for one that cannot be taken."""
        model = self._loaded.model
        image = decode_image(
            upload.content,
            self._limits,
            name=upload.filename,
            media_type=upload.media_type,
            least_side=2 * model.image_size,  # resizing filters want no more
        )
        return model.preprocess(image)

    def embed(self, key: None, pixels: Sequence[Tensor]) -> list[Floats]:
        """Embed a batch of preprocessed pictures in one model call: an embedding (dimensions) a picture."""
        return list(self._loaded.model.encode_images(torch.stack(list(pixels))))

    def embed_features(self, encoder: str, features: Floats) -> Floats:
        """Embed n pictures by what ``encoder`` told of them elsewhere: n × its dimensions → n × dimensions.

        Raises ProblemError: 409 where the model has another encoder, 422 for features of another shape, or not finite.
        """
        model = self._loaded.model
        if not isinstance(model, FeatureHead) or encoder != self.info.encoder:
            own = f"has the image encoder {self.info.encoder}" if self.info.encoder else "shares no image encoder"
            detail = f"{self.info.name} {own}: it can make nothing of features of {encoder!r}. Send the pictures."
            raise ProblemError(409, "other-encoder", "Other encoder", detail)
        if features.ndim != 2 or not len(features) or features.shape[1] != model.feature_size:
            raise _invalid(
                f"pictures × {model.feature_size} numbers are wanted, this array's shape is {features.shape}"
            )
        embeddings = model.embed_features(features)
        if not (np.isfinite(features).all() and np.isfinite(embeddings).all()):
            raise _invalid("some numbers are not finite, or too large to be features")
        return embeddings

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Embed n texts: n × dimensions. Raises ProblemError 422 for Russian ones where they cannot be read."""
        return self._texts.encode(texts)

    def embed_labels(self, labels: Sequence[str], templates: Sequence[str]) -> Floats:
        """Embed each label in every template, averaged: labels × dimensions. Raises as ``embed_texts`` does."""
        return ensemble(self._texts, labels, templates)

    def warnings(self, texts: Sequence[str]) -> list[str]:
        """Return notes, in words, on texts that the model can make little of."""
        unknown = {text: words for text in texts if (words := self._loaded.model.unknown_words(text))}
        if not unknown:
            return []
        shown = ", ".join(repr(text) for text in list(unknown)[:10]) + (" …" if len(unknown) > 10 else "")
        strange = ", ".join(sorted({word for words in unknown.values() for word in words})[:10])
        return [
            f"{self.info.name} knows words in {self._loaded.model.languages} only, as far as can be told, and does not "
            f"know: {strange}. Do not rely on what it says of {shown}; write these in "
            f"{self._loaded.model.languages}, or load a multilingual model."
        ]

    def _encode_texts(self, texts: Sequence[str]) -> Floats:
        try:
            return self._loaded.model.encode_texts(texts)
        except MultilingualUnavailableError as error:
            detail = f"Texts in Russian cannot be read here: {error}. Until then, write them in English."
            raise ProblemError(422, "russian-unavailable", "Russian unavailable", detail) from error

    def _warm_up(self, max_batch: int) -> None:
        side = self._loaded.model.image_size
        grey = self._loaded.model.preprocess(np.full((side, side, 3), 128, np.uint8))
        for size in (1, max_batch):
            self._runner(None, [grey] * size)  # a batch that is too large is found out now
        self.embed_texts(["a photo"])


def _invalid(reason: str) -> ProblemError:
    return ProblemError(422, "invalid-request", "Invalid request", f"features: {reason}.")
