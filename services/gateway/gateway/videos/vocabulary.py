"""The words in which moments are told: what ordinary footage shows, as the tagger that saw it knows them."""

import logging
import time
from collections.abc import Callable
from threading import Lock

import numpy as np
from pydantic import ValidationError

from framesense.clients.tagger import TaggerClient, TaggerUnavailable
from framesense.http.problems import ProblemError
from framesense.novelty.changes import WordLevels
from framesense.schemas.arrays import to_numpy
from framesense.schemas.models import ModelInfo
from framesense.schemas.tags import DEFAULT_TEMPLATE, EVERYDAY_WORDS

log = logging.getLogger(__name__)

RETRY_SECONDS = 30.0
"""After which a tagger that did not answer is asked again."""


class Vocabulary:
    """Look up the words' embeddings and levels once for each model; safe to use from several threads."""

    def __init__(self, connect: Callable[[], TaggerClient]) -> None:
        """Ask the tagger by a client that ``connect`` opens and that gives up soon: results do not wait for words."""
        self._connect, self._lock = connect, Lock()
        self._levels: dict[tuple[str, str], WordLevels] = {}
        self._silent_until = 0.0

    def levels(self, model: ModelInfo) -> WordLevels | None:
        """Return the words in a model's space; None while the tagger is away or has another model."""
        key = (model.name, model.revision)
        with self._lock:
            if key not in self._levels and time.monotonic() >= self._silent_until:
                self._ask()
            return self._levels.get(key)

    def _ask(self) -> None:
        try:
            with self._connect() as tagger:
                answer = tagger.embed_words(list(EVERYDAY_WORDS), [DEFAULT_TEMPLATE])
        except (TaggerUnavailable, ProblemError, ValidationError) as error:
            log.info("moments are told without words: %s", error)
            self._silent_until = time.monotonic() + RETRY_SECONDS
            return
        self._silent_until = time.monotonic() + RETRY_SECONDS
        if answer.background_mean is None or answer.background_deviation is None:
            log.info("moments are told without words: %s has no background statistics", answer.model.name)
            return
        mean, deviation = np.asarray(answer.background_mean), np.asarray(answer.background_deviation)
        levels = WordLevels(EVERYDAY_WORDS, to_numpy(answer.embeddings), mean, deviation)
        self._levels[answer.model.name, answer.model.revision] = levels
