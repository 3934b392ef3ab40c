"""Which words fit the picture more, and which less, than they fitted the frames before. Pure numpy, no I/O.

Every word's cosines have a level of their own, so they are compared as z-scores: how many standard deviations a
cosine lies above what that word gets on ordinary photos. Of a hundred words some always fit a little by chance, so a
word is told only where it is the one that fits best, or fits very well; where nothing is sure, nothing is told.
docs/novelty.md has how often words of each z-score are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

LEAST_FIT = 2.7
"""z-score from which the word that fits a picture best is told: three in four are right."""
SURE, SURE_BESIDE = 3.5, 4.5
"""z-scores from which the word that fits best is taken to be seen, and from which one beside it is: five in six."""
ORDINARY = 1.0
"""z-score below which a word fits no better than it fits any photo."""
LEAST_CHANGE = 1.5
"""z-scores by which a word must have risen."""
HELD = 0.25
"""Share of a moment's frames that a word has to fit: a thing is largest in some of them, a whim is in fewer."""


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
    return [[levels.words[i] for i in _seen(fit, LEAST_FIT)[:limit]] for fit in fits]


def changed_words(levels: WordLevels, before: Floats, now: Floats, *, limit: int = 3) -> list[WordChange]:
    """Return the words whose fit changed most between the frames before a moment and the moment's own.

    ``before``: k × d embeddings, k ≥ 0, compared by the mean of their z-scores; ``now``: n × d, n ≥ 1, by what HELD of
    them reach. Words that rose come first, the strongest first, then those that fell; at most ``limit`` of each. A
    word has gone only where something else is seen: of a picture that the tagger makes nothing of, it cannot say what
    is missing. Without frames before, the words that fit now are returned, with their z-scores.
    """
    shown = levels.z_scores(now)
    fits = np.quantile(shown, 1 - HELD, axis=0)
    seen = _seen(fits, SURE)
    if not len(before):
        return [WordChange(levels.words[i], float(fits[i])) for i in seen[:limit]]
    fitted = levels.z_scores(before).mean(axis=0)
    change = fits - fitted
    rose = sorted((i for i in seen if change[i] >= LEAST_CHANGE), key=lambda i: -change[i])
    gone = [i for i in _seen(fitted, SURE) if shown[:, i].max() < ORDINARY] if seen else []
    fell = sorted(gone, key=lambda i: change[i])
    return [WordChange(levels.words[i], float(change[i])) for i in (*rose[:limit], *fell[:limit])]


def _seen(fits: NDArray[np.float64], least: float) -> list[int]:
    """Return the indices of the words that are taken to be seen, the best first: ``fits`` are their z-scores."""
    order = np.argsort(-fits, kind="stable").tolist()
    return [i for rank, i in enumerate(order) if fits[i] >= (SURE_BESIDE if rank else least)]
