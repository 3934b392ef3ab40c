"""Measure by how much a picture became more similar to the prompt, in the tagger's space, where both are vectors.

The gain is cos(edited, words) − cos(photo, words). It is a measure of one small model's opinion: good for comparing the
pictures of a series with each other, not for telling how well a picture is made.
"""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from framesense.clients.tagger import EmbeddingBatch, TaggerClient, TaggerUnavailable
from framesense.http.problems import ProblemError
from framesense.media.images import RGB, shrink
from framesense.schemas.edits import EditedImage, PromptSimilarity
from framesense.schemas.models import ModelInfo
from worker.jobs.model_change import ModelChanged, is_same_model, require_same_model

log = logging.getLogger(__name__)

Vector = NDArray[np.float32]

WORDS = 200
"""Letters that a tagger takes of one text."""
UNCHECKED = "not checked how well picture and words agree: "


class SimilarityMeter:
    """Asks the tagger for the embedding of each photo and text, once, or once more when its model has changed.

    A tagger that does not answer is not asked again.

    Args:
        side: pictures are shrunk by whole factors before they are sent, no side below so many pixels.
    """

    def __init__(self, tagger: TaggerClient, *, side: int) -> None:
        self._tagger, self._side = tagger, side
        self._model: ModelInfo | None = None
        """In whose space these are."""
        self._photos: dict[int, Vector] = {}
        self._texts: dict[str, Vector] = {}
        self._answers = True

    def measure(self, photo_index: int, photo: RGB, edited: RGB, words: str) -> PromptSimilarity | str:
        """Measure the similarity of picture and words, of which the first :data:`WORDS` letters count.

        Returns a text for the user instead that tells why it could not be measured.
        """
        if self._answers:
            try:
                return self._compare(photo_index, photo, edited, words)
            except TaggerUnavailable as error:
                log.info("agreement is not checked: %s", error)
                self._answers = False
            except ProblemError as error:
                log.info("agreement is not checked: %s", error)
                return UNCHECKED + error.detail
            except ModelChanged as change:  # between two questions about one picture
                return UNCHECKED + str(change)
        return UNCHECKED + "the tagger does not answer"

    def _compare(self, photo_index: int, photo: RGB, edited: RGB, words: str) -> PromptSimilarity:
        seen = self._see(edited)
        if self._model is None or not is_same_model(seen.model, self._model):
            self._model, self._photos, self._texts = seen.model, {}, {}
        if photo_index not in self._photos:
            self._photos[photo_index] = _vector(self._see(photo), self._model)
        words = _shortened(words)
        if words not in self._texts:
            self._texts[words] = _vector(self._tagger.embed_texts([words]), self._model)
        before, text, after = self._photos[photo_index], self._texts[words], seen.embeddings[0]
        cosines = float(before @ text), float(after @ text)
        return PromptSimilarity(
            before=cosines[0],
            after=cosines[1],
            gain=cosines[1] - cosines[0],
            photo_similarity=float(before @ after),
            model=self._model,
        )

    def _see(self, picture: RGB) -> EmbeddingBatch:
        return self._tagger.embed([shrink(picture, self._side)])


def _vector(answer: EmbeddingBatch, model: ModelInfo) -> Vector:
    """Return the embedding. Raises ModelChanged where it is of another model."""
    require_same_model(answer.model, model)
    vector: Vector = answer.embeddings[0]
    return vector


def _shortened(words: str) -> str:
    """Cut a text to the whole words that the tagger takes."""
    if len(words) <= WORDS:
        return words
    return words[: words.rfind(" ", 0, WORDS + 1) if " " in words[:WORDS] else WORDS].rstrip()


def best_of(images: Sequence[EditedImage]) -> int | None:
    """Return the picture that came nearest to the words and left the rest alone.

    That is the highest gain of agreement, less the mean change outside the region that was to change. Both run from 0
    to 1, so a hundredth of the brightness range changed outside costs as much as a hundredth of cosine gained; where
    the whole photo may change, the gain alone decides.

    The first of several that are level; None where fewer than two can be compared.
    """
    scores = {image.index: score for image in comparable(images) if (score := score_of(image)) is not None}
    return max(scores, key=lambda index: scores[index]) if len(scores) > 1 else None


def score_of(image: EditedImage) -> float | None:
    """Score a picture for :func:`best_of`; None for one that was not compared with words."""
    if image.agreement is None:
        return None
    return image.agreement.gain - (image.change.outside if image.change else 0.0)


def comparable(images: Sequence[EditedImage]) -> list[EditedImage]:
    """Return the pictures that were compared with words by the same tagger as the first of them."""
    compared = [(image, _tagger_of(image.agreement)) for image in images if image.agreement is not None]
    return [image for image, tagger in compared if tagger == compared[0][1]]


def _tagger_of(agreement: PromptSimilarity) -> tuple[str, str] | None:
    return (agreement.model.name, agreement.model.revision) if agreement.model else None
