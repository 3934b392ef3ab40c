"""Photos → clusters and a 2-D map. Pure functions of arrays.

When to prefer which:

- *k-modes* on tags: clusters that can be read, since each has a mode, the tags that most of its photos have;
- *k-means* on embeddings: compact clusters, every photo in one;
- *HDBSCAN* on embeddings: clusters of any shape and as many as are dense, with photos left over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from kmodes.kmodes import KModes
from numpy.typing import NDArray
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from framesense.schemas.photo_sets import ClusterCandidate

Floats = NDArray[np.floating]
Labels = NDArray[np.intp]
Tags = NDArray[np.bool_]
Pause = Callable[[], None]
"""Called between two long steps; raises to give up."""

LEAST_PHOTOS = 4
"""Fewer are not clustered."""
MOST_CLUSTERS = 12
"""Tried, where the number is to be found."""
ALIKE = 0.02
"""Silhouettes that differ by less say nothing of which is better; the elbow then does."""
SILHOUETTE_SAMPLE = 2000
KMODES_SAMPLE = 2000
"""Photos that k-modes, which is slow, finds its modes on; the others go to the nearest mode."""
DENSITY_DIMENSIONS = 32
"""Principal components that HDBSCAN and t-SNE see: distances in more dimensions tell little."""
SEED = 0


@dataclass(frozen=True)
class Partition:
    """Each of n photos' cluster, 0 … k − 1, or −1 for none."""

    labels: Labels
    chosen_by: str
    silhouette: float | None = None
    elbow: int | None = None
    candidates: list[ClusterCandidate] = field(default_factory=list)

    @property
    def clusters(self) -> int:
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> list[int]:
        return [int(size) for size in np.bincount(self.labels[self.labels >= 0], minlength=self.clusters)]


def kmeans(embeddings: Floats, *, clusters: int | None = None, pause: Pause = lambda: None) -> Partition:
    """Cluster embeddings by k-means (scikit-learn's: Lloyd, 1982, with k-means++ starts).

    ``embeddings``: n × d, L2-normalised, n ≥ 4; on the unit sphere Euclidean distance orders pairs as cosine does.
    ``clusters``: None to have the number found.
    """

    def partition(k: int) -> tuple[Labels, float]:
        fitted = KMeans(k, n_init=4, random_state=SEED).fit(embeddings)
        return fitted.labels_.astype(np.intp), float(fitted.inertia_)

    return _best(partition, embeddings, "euclidean", clusters, pause)


def kmodes(tagged: Tags, *, clusters: int | None = None, pause: Pause = lambda: None) -> Partition:
    """Cluster photos by their tags: k-modes (Huang, 1998; starts by Cao et al., 2009).

    ``tagged``: n × m, n ≥ 4. The distance of two photos is how many tags differ. ``clusters``: None to have the number
    found.
    """
    table = tagged.astype(np.int8)
    sample = table[_evenly(len(table), KMODES_SAMPLE)]

    def partition(k: int) -> tuple[Labels, float]:
        fitted = KModes(k, init="Cao", n_init=1, random_state=SEED).fit(sample)
        modes = np.asarray(fitted.cluster_centroids_, dtype=np.int8)
        mismatches = np.stack([(table != mode).sum(axis=1) for mode in modes], axis=1)
        return _numbered(mismatches.argmin(axis=1)), float(mismatches.min(axis=1).sum())

    return _best(partition, table, "hamming", clusters, pause)


def hdbscan(embeddings: Floats) -> Partition:
    """Cluster embeddings by density (HDBSCAN: Campello et al., 2013, doi:10.1007/978-3-642-37456-2_14).

    ``embeddings``: n × d, n ≥ 4.
    """
    least = max(2, min(15, len(embeddings) // 20))
    points = _principal(embeddings) if np.ptp(embeddings, axis=0).any() else embeddings
    labels = HDBSCAN(min_cluster_size=least, copy=True).fit(points).labels_.astype(np.intp)
    inside = labels >= 0
    return Partition(
        labels,
        chosen_by=f"density: at least {least} photos a cluster",
        silhouette=_silhouette(points[inside], labels[inside], "euclidean"),
    )


def plane(embeddings: Floats) -> Floats:
    """Lay n ≥ 4 photos out on a map, n × 2, like near like (t-SNE: van der Maaten & Hinton, 2008).

    The same embeddings give the same map every time.
    """
    if not np.ptp(embeddings, axis=0).any():
        return np.zeros((len(embeddings), 2))  # all photos are one: there is nothing to spread
    points = _principal(embeddings)
    perplexity = min(30.0, (len(points) - 1) / 3)
    placed: Floats = TSNE(2, perplexity=perplexity, init="random", random_state=SEED).fit_transform(points)
    return placed


def agreement(labels: Labels, groups: Sequence[str | None]) -> tuple[float, float] | None:
    """Measure how far clusters and groups agree, or return None where the photos have no two groups.

    Returns the adjusted Rand index (Hubert & Arabie, 1985) and the normalised mutual information, over the photos that
    have both a cluster and a group.
    """
    pairs = [(label, group) for label, group in zip(labels, groups, strict=True) if group is not None and label >= 0]
    found, known = [int(label) for label, _ in pairs], [group for _, group in pairs]
    if len(set(known)) < 2:
        return None
    return float(adjusted_rand_score(known, found)), float(normalized_mutual_info_score(known, found))


def elbow(candidates: Sequence[ClusterCandidate]) -> int | None:
    """Choose the number of clusters whose cost lies furthest below the line from the first to the last.

    Satopää et al., 2011, "kneedle". None for fewer than three candidates.
    """
    if len(candidates) < 3:
        return None
    cost = np.array([candidate.cost for candidate in candidates])
    line = np.linspace(cost[0], cost[-1], len(cost))
    return candidates[int((line - cost).argmax())].clusters


def _best(
    partition: Callable[[int], tuple[Labels, float]],
    points: NDArray[np.generic],
    metric: str,
    clusters: int | None,
    pause: Pause,
) -> Partition:
    """Return the partition into ``clusters`` clusters, else into as many as silhouette and elbow choose."""
    distinct = len(np.unique(points, axis=0))
    if distinct < 2:
        return Partition(np.zeros(len(points), np.intp), chosen_by="all photos are alike")
    most = min(MOST_CLUSTERS, distinct, len(points) - 1)
    counts = [min(clusters, distinct)] if clusters else range(2, most + 1)
    found: dict[int, Labels] = {}
    candidates = []
    for k in counts:
        pause()
        found[k], cost = partition(k)
        candidates.append(
            ClusterCandidate(clusters=k, cost=cost, silhouette=_silhouette(points, found[k], metric)),
        )
    bend = elbow(candidates)
    chosen = _chosen(candidates, bend)
    return Partition(
        found[chosen.clusters],
        chosen_by="the request" if clusters else "the best silhouette; among equals, the nearest to the elbow",
        silhouette=chosen.silhouette,
        elbow=bend,
        candidates=candidates,
    )


def _chosen(candidates: Sequence[ClusterCandidate], bend: int | None) -> ClusterCandidate:
    def silhouette(candidate: ClusterCandidate) -> float:
        return -1.0 if candidate.silhouette is None else candidate.silhouette

    best = max(map(silhouette, candidates))
    equals = [candidate for candidate in candidates if silhouette(candidate) >= best - ALIKE]
    return min(equals, key=lambda one: (abs(one.clusters - (bend or one.clusters)), -silhouette(one)))


def _silhouette(points: NDArray[np.generic], labels: Labels, metric: str) -> float | None:
    """Measure the silhouette (Rousseeuw, 1987) over an even sample of the points.

    None where the clusters are too few, or as many as there are points.
    """
    rows = _evenly(len(points), SILHOUETTE_SAMPLE)
    points, labels = points[rows], labels[rows]
    if not 2 <= len(np.unique(labels)) < len(labels):
        return None
    return float(silhouette_score(points, labels, metric=metric))


def _principal(embeddings: Floats) -> Floats:
    dimensions = min(DENSITY_DIMENSIONS, *embeddings.shape)
    reduced: Floats = PCA(dimensions, random_state=SEED).fit_transform(embeddings)
    return reduced


def _numbered(labels: NDArray[np.integer]) -> Labels:
    """Renumber the clusters 0 … k − 1 without gaps: a mode may be nobody's nearest."""
    numbered: Labels = np.unique(labels, return_inverse=True)[1].astype(np.intp)
    return numbered


def _evenly(n: int, most: int) -> NDArray[np.intp]:
    return np.linspace(0, n - 1, min(n, most)).astype(np.intp)
