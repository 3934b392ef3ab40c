"""How many different things a video or a set of photos shows: the Vendi score. Pure numpy, no I/O."""

import numpy as np
from numpy.typing import NDArray

MOST_ITEMS = 4096
"""More than so many are thinned evenly first: the Gram matrix and its eigenvalues stay a matter of seconds."""


def vendi_score(embeddings: NDArray[np.floating]) -> float:
    """Compute the effective number of different items (Friedman & Dieng, 2023, arXiv:2210.02410, definition 3.1).

    The score is exp(−Σ λᵢ ln λᵢ) over the eigenvalues λ of K / n, K the cosine similarities.

    ``embeddings``: n ≥ 1 rows × d, any scale; zero rows are left out. Returns a value in [1, min(n, d)]: 1 when all
    point the same way, n when all are at right angles. The eigenvalues are those of the smaller of the n × n and the d
    × d Gram matrix (their non-zero ones are the same). Raises ValueError for an array that is not n × d, is empty or
    has no row that is not zero.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"embeddings must be items × dimensions, not {rows.shape}")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = (rows / np.where(norms > 0, norms, 1))[norms[:, 0] > 0]
    if not len(rows):
        raise ValueError("there is nothing to compare: no embedding, or zeros only")
    rows = rows[:: -(-len(rows) // MOST_ITEMS)]
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    eigenvalues = np.linalg.eigvalsh(gram / len(rows))
    eigenvalues = eigenvalues[eigenvalues > 0]
    return float(np.exp(-np.sum(eigenvalues * np.log(eigenvalues))))
