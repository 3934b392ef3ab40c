"""Which words fit the picture more, and which less, than they fitted the frames before. Pure numpy, no I/O.

Every word's cosines have a level of their own, so they are compared as z-scores: how many standard deviations a
cosine lies above what that word gets on ordinary photos. A word is told only where it fits well *and* fits much
better than before; a change from "hardly" to "a little" says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

LEAST_FIT = 2.7
"""z-score from which a word is taken to fit: ten to one, by the calibration of the embedded tagger."""
LEAST_CHANGE = 1.5
"""z-scores by which it must have risen or fallen."""


@dataclass(frozen=True)
class WordLevels:
    """Words as text embeddings with their levels on ordinary photos.

    ``words``: m of them; ``embeddings``: m × d, L2-normalised; ``mean`` and ``deviation``: m each, of the cosines
    between a word and ordinary photos, deviation > 0.
    """

    words: Sequence[str]
    embeddings: Floats
    mean: Floats
    deviation: Floats

    def z_scores(self, pictures: Floats) -> NDArray[np.float64]:
        """Return n × m z-scores of n × d picture embeddings, L2-normalised."""
        cosines = np.asarray(pictures, dtype=np.float64) @ np.asarray(self.embeddings, dtype=np.float64).T
        scores: NDArray[np.float64] = (cosines - self.mean) / self.deviation
        return scores


@dataclass(frozen=True)
class WordChange:
    """A word that began or ceased to fit: ``change`` in z-scores, above 0 where it began."""

    word: str
    change: float


def fitting_words(levels: WordLevels, pictures: Floats, *, limit: int = 3) -> list[list[str]]:
    """Return the words that fit each of n × d picture embeddings, the best first, at most ``limit`` a picture."""
    fits = levels.z_scores(pictures)
    best = np.argsort(-fits, axis=1, kind="stable")[:, :limit]
    return [[levels.words[i] for i in row if fit[i] >= LEAST_FIT] for row, fit in zip(best, fits, strict=True)]


def changed_words(levels: WordLevels, before: Floats, now: Floats, *, limit: int = 3) -> list[WordChange]:
    """Return the words whose fit changed most between frames before a moment and the moment's frame.

    ``before``: k × d embeddings, k ≥ 0, compared by the mean of their z-scores; ``now``: d. Words that rose come
    first, the strongest first, then those that fell; at most ``limit`` of each. Without frames before, the words that
    fit now are returned, with their z-scores.
    """
    fits = levels.z_scores(np.asarray(now)[None])[0]
    if not len(before):
        return [WordChange(levels.words[i], float(fits[i])) for i in np.argsort(-fits)[:limit] if fits[i] >= LEAST_FIT]
    fitted = levels.z_scores(before).mean(axis=0)
    change = fits - fitted
    rose = [i for i in np.argsort(-change) if change[i] >= LEAST_CHANGE and fits[i] >= LEAST_FIT]
    # What comes draws the picture away from what is still there: a word has gone only where it fits no longer.
    fell = [i for i in np.argsort(change) if change[i] <= -LEAST_CHANGE and fitted[i] >= LEAST_FIT > fits[i]]
    return [WordChange(levels.words[i], float(change[i])) for i in (*rose[:limit], *fell[:limit])]
