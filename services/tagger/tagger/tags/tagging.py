"""Embeddings of pictures and labels → tags: every label over the threshold, else the single best one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framesense.schemas.tags import ImageTags, Tag, ThresholdOn
from tagger.tags.calibration import Calibration, probabilities

Floats = NDArray[np.float32]

COSINE_DIGITS, PROBABILITY_DIGITS = 5, 5


@dataclass(frozen=True)
class TagRule:
    threshold: float
    threshold_on: ThresholdOn
    top_k: int | None
    """The most tags a picture; None for no limit."""
    all_scores: bool = False


@dataclass(frozen=True)
class Scores:
    """Hold the scores of n images × m labels."""

    cosine: Floats
    log_odds: Floats

    @classmethod
    def of(cls, images: Floats, texts: Floats, calibration: Calibration) -> Scores:
        return cls(images @ texts.T, calibration.log_odds(images, texts))

    @property
    def probability(self) -> Floats:
        return probabilities(self.log_odds)


def choose_tags(names: Sequence[str], labels: Sequence[str], scores: Scores, rule: TagRule) -> list[ImageTags]:
    """Choose the tags of every picture, ordered by calibrated log-odds.

    Labels whose level differs cannot be ordered by cosine.
    """
    probability = scores.probability
    measured = scores.cosine if rule.threshold_on is ThresholdOn.COSINE else probability
    chosen = []
    for row, name in enumerate(names):

        def tag(column: int, row: int = row) -> Tag:
            cosine, value = float(scores.cosine[row, column]), float(probability[row, column])
            return Tag(
                label=labels[column], cosine=round(cosine, COSINE_DIGITS), probability=round(value, PROBABILITY_DIGITS)
            )

        order = np.argsort(-scores.log_odds[row], kind="stable")
        over = [int(column) for column in order if measured[row, column] >= rule.threshold]
        kept = (over or [int(order[0])])[: rule.top_k]
        every = [tag(column) for column in range(len(labels))] if rule.all_scores else None
        chosen.append(
            ImageTags(image=name, tags=[tag(column) for column in kept], over_threshold=len(over), scores=every)
        )
    return chosen
