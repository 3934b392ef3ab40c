"""Photos that show what an earlier one shows: the same file, or an embedding that points (nearly) the same way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_BLOCK = 512
"""Rows compared with all rows before them at once."""


@dataclass(frozen=True)
class Duplicates:
    """Which of n photos show what an earlier one shows.

    For each photo: the index of the first photo that shows the same (−1: there is none), how alike the two embeddings
    are (0 where there is none), and whether the files are the same.
    """

    of: NDArray[np.intp]
    cosine: Floats
    exact: NDArray[np.bool_]

    @property
    def near(self) -> NDArray[np.bool_]:
        """Mark the duplicates whose files differ."""
        found: NDArray[np.bool_] = (self.of >= 0) & ~self.exact
        return found


def find_duplicates(embeddings: Floats, hashes: Sequence[str], *, least_cosine: float) -> Duplicates:
    """Find the photos that show the same as an earlier one.

    ``embeddings``: n × d, L2-normalised; ``hashes``: of the files' contents.

    A photo is only ever a duplicate of one that is none itself, the most alike of them: a chain of small changes does
    not make its two ends the same.
    """
    n = len(embeddings)
    of, cosine, exact = np.full(n, -1, np.intp), np.zeros(n, np.float32), np.zeros(n, np.bool_)
    first_with: dict[str, int] = {}
    for start in range(0, n, _BLOCK):
        alike = embeddings[start : start + _BLOCK] @ embeddings[: start + _BLOCK].T
        alike[:, np.flatnonzero(of >= 0)] = -np.inf
        for row, index in enumerate(range(start, min(start + _BLOCK, n))):
            first = first_with.setdefault(hashes[index], index)
            if first != index:
                of[index], exact[index] = (first if of[first] < 0 else of[first]), True
                cosine[index] = embeddings[index] @ embeddings[of[index]]
            elif index:
                nearest = int(alike[row, :index].argmax())
                if alike[row, nearest] >= least_cosine:
                    of[index], cosine[index] = nearest, alike[row, nearest]
            if of[index] >= 0:
                alike[:, index] = -np.inf
    return Duplicates(of, cosine, exact)
