"""What a data scientist asks first of a tagged photo set: spreads, class balance and its distribution, groups.

Pure functions of arrays: ``cosine`` and ``tagged`` are photos × labels.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from framesense.schemas.photo_sets import (
    ClassBalance,
    DistributionName,
    GoodnessOfFit,
    GroupStatistics,
    GroupSummary,
    LabelCount,
    Spread,
    TagStatistics,
)

Floats = NDArray[np.float32]
Tags = NDArray[np.bool_]

GAP_RANK = 10
LEAST_LABELS = 8
"""Fewer counts than so many tell nothing of their distribution."""
RESAMPLES = 999
SIGNIFICANCE = 0.05
TOP_TAGS = 5


def spread(values: ArrayLike) -> Spread:
    """Summarise the spread of at least one number."""
    numbers = np.asarray(values, dtype=np.float64)
    return Spread(
        min=float(numbers.min()),
        mean=float(numbers.mean()),
        median=float(np.median(numbers)),
        max=float(numbers.max()),
    )


def tag_statistics(labels: Sequence[str], cosine: Floats, tagged: Tags) -> TagStatistics:
    """Summarise the tags of at least one photo over at least one label."""
    rank = min(GAP_RANK, len(labels))
    counts = tagged.sum(axis=0)
    return TagStatistics(
        per_photo=spread(tagged.sum(axis=1)),
        best_cosine=spread(cosine.max(axis=1)),
        gap=spread(gaps(cosine, rank)),
        gap_rank=rank,
        labels=[
            LabelCount(
                label=labels[column],
                photos=int(counts[column]),
                share=float(counts[column] / len(tagged)),
                mean_cosine=float(cosine[:, column].mean()),
            )
            for column in np.argsort(-counts, kind="stable")
        ],
    )


def gaps(cosine: Floats, rank: int) -> Floats:
    """Return, for each photo, the cosine of its best label minus that of its ``rank``-th best."""
    ranked = -np.sort(-cosine, axis=1)
    between: Floats = ranked[:, 0] - ranked[:, rank - 1]
    return between


def class_balance(counts: ArrayLike) -> ClassBalance:
    """Measure how evenly photos are spread over the labels.

    ``counts``: photos of each label, at least one of them not zero.
    """
    every = np.asarray(counts, dtype=np.int64)
    present = every[every > 0]
    shares = present / present.sum()
    entropy = float(-(shares * np.log(shares)).sum() / np.log(len(every))) if len(every) > 1 else 1.0
    fits, note = _fits(present)
    return ClassBalance(
        entropy=min(1.0, max(0.0, entropy)),
        imbalance=float(present.max() / present.min()) if len(present) == len(every) else None,
        fits=fits,
        note=note,
    )


def _fits(counts: NDArray[np.int64]) -> tuple[list[GoodnessOfFit], str | None]:
    if len(counts) < LEAST_LABELS:
        return [], f"Only {len(counts)} labels have photos: {LEAST_LABELS} at least are needed for a test."
    if counts.min() == counts.max():
        return [], "All labels have the same number of photos, so there is no distribution to fit."
    note = (
        "Counts are whole numbers and the distributions are continuous, which makes the tests a little too ready to "
        "reject where counts are small; and one photo's tags are not independent of one another."
    )
    return [exponential_fit(counts), log_normal_fit(counts)], note


def exponential_fit(values: ArrayLike, *, resamples: int = RESAMPLES) -> GoodnessOfFit:
    """Test whether positive values could be exponential (from 0, scale = their mean).

    Uses the Kolmogorov-Smirnov statistic with a p-value by parametric bootstrap, since the textbook one holds for known
    parameters only (Lilliefors, 1969, doi:10.1080/01621459.1969.10500983).
    """
    numbers = np.asarray(values, dtype=np.float64)
    scale = float(numbers.mean())
    rng = np.random.default_rng(0)
    drawn = rng.exponential(size=(resamples, len(numbers)))
    null = _ks(stats.expon.cdf(drawn / drawn.mean(axis=1, keepdims=True)))
    statistic = float(_ks(stats.expon.cdf(numbers / scale)[None])[0])
    return _tested(DistributionName.EXPONENTIAL, {"scale": scale}, statistic, null)


def log_normal_fit(values: ArrayLike, *, resamples: int = RESAMPLES) -> GoodnessOfFit:
    """Test whether positive values could be log-normal.

    Tests as :func:`exponential_fit` does, against the normal distribution of their logarithms (Lilliefors, 1967,
    doi:10.1080/01621459.1967.10482916).
    """
    logarithms = np.log(np.asarray(values, dtype=np.float64))
    mean, deviation = float(logarithms.mean()), float(logarithms.std())
    rng = np.random.default_rng(0)
    null = _ks(stats.norm.cdf(stats.zscore(rng.normal(size=(resamples, len(logarithms))), axis=1)))
    statistic = float(_ks(stats.norm.cdf((logarithms - mean) / deviation)[None])[0])
    return _tested(DistributionName.LOG_NORMAL, {"mu": mean, "sigma": deviation}, statistic, null)


def _ks(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Kolmogorov-Smirnov statistics of rows of CDF values, as ``scipy.stats.kstest`` does, many at once."""
    n = uniform.shape[1]
    ordered, steps = np.sort(uniform, axis=1), np.arange(1, n + 1) / n
    gaps: NDArray[np.float64] = np.maximum(steps - ordered, ordered - steps + 1 / n).max(axis=1)
    return gaps


def _tested(
    name: DistributionName, parameters: dict[str, float], statistic: float, null: NDArray[np.float64]
) -> GoodnessOfFit:
    p_value = float((1 + (null >= statistic).sum()) / (1 + len(null)))
    return GoodnessOfFit(
        distribution=name,
        parameters=parameters,
        statistic=statistic,
        p_value=p_value,
        rejected=p_value < SIGNIFICANCE,
    )


def group_statistics(
    source: str, groups: Sequence[str | None], labels: Sequence[str], tagged: Tags
) -> GroupStatistics | None:
    """Summarise the tags of each group.

    ``groups``: of each photo. None where no photo has one.
    """
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        if group is not None:
            members.setdefault(group, []).append(index)
    if not members:
        return None
    summaries = [_summary(name, tagged[rows], labels) for name, rows in sorted(members.items())]
    return GroupStatistics(
        source=source,
        photos=spread([group.photos for group in summaries]),
        distinct_tags=spread([group.distinct_tags for group in summaries]),
        groups=summaries,
        ungrouped=sum(group is None for group in groups),
    )


def _summary(name: str, tagged: Tags, labels: Sequence[str]) -> GroupSummary:
    counts = Counter({label: int(count) for label, count in zip(labels, tagged.sum(axis=0), strict=True) if count})
    return GroupSummary(
        name=name,
        photos=len(tagged),
        distinct_tags=len(counts),
        top_tags=[label for label, _ in counts.most_common(TOP_TAGS)],
    )
