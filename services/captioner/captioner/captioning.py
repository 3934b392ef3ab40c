"""Image files → captions: decoding, the model and the sentence encoder behind one micro-batcher."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from captioner.models.base import Floats, GeneratedCaption, LoadedModel
from captioner.models.factory import load_model
from captioner.settings import CaptionerSettings
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.media.budget import PixelBudget
from framesense.media.images import ImageLimits, decode_image
from framesense.models.encoders.minilm import SentenceEncoder
from framesense.schemas.captions import CaptionExtra
from framesense.schemas.models import ModelInfo
from framesense.serving.batching import BatchObserver, MicroBatcher
from framesense.serving.compiled_batches import Compilable
from framesense.serving.oom_retry import OomRetryBatcher
from framesense.serving.threads import keep_to_one_core

log = logging.getLogger(__name__)

Batcher = MicroBatcher["CaptionOptions", Upload, Tensor, "Described"]


@dataclass(frozen=True)
class CaptionOptions:
    """Hold the options that one model call cannot mix: the micro-batcher's key."""

    beams: int = 4
    max_tokens: int = 24
    extras: frozenset[CaptionExtra] = frozenset()


@dataclass(frozen=True)
class Described:
    caption: GeneratedCaption
    words: Floats | None
    """T × D: of the decoder, or of the sentence encoder; None unless embeddings were asked for."""
    sentence: Floats | None
    """384 numbers, L2-normalised; None unless embeddings were asked for."""


class Captioner:
    """Caption images with a loaded model and embed the captions; a micro-batcher calls ``prepare`` and ``describe``."""

    def __init__(self, loaded: LoadedModel, sentences: SentenceEncoder, limits: ImageLimits) -> None:
        self._loaded, self._sentences, self._limits = loaded, sentences, limits
        self._runner = OomRetryBatcher[CaptionOptions, Tensor, Described](self.describe)

    @classmethod
    def load(cls, settings: CaptionerSettings) -> Self:
        """Load and warm up, so that the first request is no slower than the next.

        Raises ValueError or OSError, in words a person can act on.
        """
        if settings.captioner_threads is not None:
            torch.set_num_threads(settings.captioner_threads)
        loaded = load_model(settings)
        if settings.captioner_compile:
            if not isinstance(loaded.model, Compilable):
                raise ValueError(f"{loaded.info.name} is not compiled; set CAPTIONER_COMPILE=false")
            loaded.model.compile(settings.captioner_max_batch)
        limits = ImageLimits(
            settings.max_image_bytes, settings.max_image_pixels, PixelBudget(settings.max_pixels_at_once)
        )
        captioner = cls(loaded, SentenceEncoder(torch.device(loaded.info.device)), limits)
        captioner._warm_up()
        log.info("%s (%s) is ready on %s", loaded.info.name, loaded.info.revision, loaded.info.device)
        return captioner

    @property
    def info(self) -> ModelInfo:
        return self._loaded.info

    @property
    def batch_limit(self) -> int | None:
        """Return the most images a model call, once a larger batch ran out of memory."""
        return self._runner.limit

    def check(self, options: CaptionOptions) -> None:
        """Raise ProblemError 422 for extras that this family of models cannot return, with the reason."""
        for extra in sorted(options.extras & self._loaded.unsupported.keys()):
            detail = f"{self.info.name} cannot return {extra}: {self._loaded.unsupported[extra]}."
            raise ProblemError(422, "unsupported-option", "Unsupported option", detail)

    def batcher(self, settings: CaptionerSettings, observer: BatchObserver) -> Batcher:
        return MicroBatcher(
            self.prepare,
            self._runner,
            max_batch=settings.captioner_max_batch,
            max_wait=settings.captioner_max_wait,
            max_queue=settings.captioner_max_queue,
            prepare_threads=settings.captioner_decode_threads,
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

    def describe(self, options: CaptionOptions, pixels: Sequence[Tensor]) -> list[Described]:
        """Caption a batch of preprocessed pictures, in one model call."""
        captions = self._loaded.model.caption(
            torch.stack(list(pixels)),
            beams=options.beams,
            max_tokens=options.max_tokens,
            attention=CaptionExtra.ATTENTION in options.extras,
            features=CaptionExtra.FEATURES in options.extras,
            views=not options.extras.isdisjoint({CaptionExtra.VISUAL, CaptionExtra.PATCHES}),
            pooled=CaptionExtra.POOLED in options.extras,
        )
        if CaptionExtra.EMBEDDINGS not in options.extras:
            return [Described(caption, None, None) for caption in captions]
        sentences = self._sentences.encode([caption.text for caption in captions])
        return [
            Described(caption, self._words(caption), sentence)
            for caption, sentence in zip(captions, sentences, strict=True)
        ]

    def _words(self, caption: GeneratedCaption) -> Floats:
        """Embed the tokens; where the decoder has no embeddings of its own, each token is a short sentence."""
        if caption.word_embeddings is not None:
            return caption.word_embeddings
        if not caption.tokens:
            return np.zeros((0, self._sentences.dimensions), np.float32)
        return self._sentences.encode([token.removeprefix("##") for token in caption.tokens])

    def _warm_up(self) -> None:
        side = self._loaded.model.image_size
        grey = self._loaded.model.preprocess(np.full((side, side, 3), 128, np.uint8))
        self.describe(CaptionOptions(extras=frozenset({CaptionExtra.EMBEDDINGS})), [grey])
