"""Numbers about a tagged photo set, against ones worked out by hand, and tests against their own null hypotheses."""

import numpy as np
import pytest
from scipy import stats

from worker.photo_sets.statistics import (
    class_balance,
    exponential_fit,
    gaps,
    group_statistics,
    log_normal_fit,
    spread,
    tag_statistics,
)

LABELS = ["kitchen", "bathroom", "bedroom"]
COSINE = np.array([[0.5, 0.2, 0.1], [0.3, 0.4, 0.0]], np.float32)
TAGGED = np.array([[True, False, False], [True, True, False]])


def test_a_spread() -> None:
    assert spread([1, 2, 6]).model_dump() == {"min": 1, "mean": 3, "median": 2, "max": 6}


def test_tags_of_photos() -> None:
    found = tag_statistics(LABELS, COSINE, TAGGED)
    assert found.per_photo.mean == 1.5
    assert found.best_cosine.mean == pytest.approx(0.45)
    assert found.gap_rank == 3
    assert found.gap.mean == pytest.approx(0.4)
    assert [(one.label, one.photos, one.share) for one in found.labels] == [
        ("kitchen", 2, 1.0),
        ("bathroom", 1, 0.5),
        ("bedroom", 0, 0.0),
    ]


def test_the_gap_is_between_the_first_and_the_tenth_of_many() -> None:
    cosine = np.random.default_rng(0).permuted(np.tile(np.arange(30, dtype=np.float32), (5, 1)), axis=1)
    assert tag_statistics([str(n) for n in range(30)], cosine, cosine > 20).gap_rank == 10
    assert gaps(cosine, 10).tolist() == [9] * 5


def test_groups() -> None:
    found = group_statistics("sub-folders", ["a", None, "b", "a"], LABELS, np.vstack([TAGGED, TAGGED]))
    assert found is not None
    assert [(one.name, one.photos, one.distinct_tags) for one in found.groups] == [("a", 2, 2), ("b", 1, 1)]
    assert (found.distinct_tags.min, found.distinct_tags.mean, found.distinct_tags.max) == (1, 1.5, 2)
    assert found.groups[0].top_tags == ["kitchen", "bathroom"]
    assert found.ungrouped == 1
    assert group_statistics("sub-folders", [None, None], LABELS, TAGGED) is None


def test_balance_of_equal_and_of_unequal_classes() -> None:
    even, uneven = class_balance([5] * 10), class_balance([1, 1, 1, 1, 1, 1, 1, 93])
    assert even.entropy == pytest.approx(1)
    assert even.imbalance == 1
    assert even.fits == []
    assert even.note is not None
    assert uneven.entropy < 0.3
    assert uneven.imbalance == 93
    assert len(uneven.fits) == 2


def test_no_imbalance_where_a_label_has_no_photo_and_no_test_of_few_labels() -> None:
    found = class_balance([3, 0, 1])
    assert found.imbalance is None
    assert found.fits == []


def test_the_statistic_is_scipys() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=40)
    exponential, log_normal = exponential_fit(values), log_normal_fit(values)
    assert exponential.statistic == pytest.approx(stats.kstest(values, stats.expon(scale=values.mean()).cdf).statistic)
    logs = np.log(values)
    expected = stats.kstest(logs, stats.norm(logs.mean(), logs.std()).cdf).statistic
    assert log_normal.statistic == pytest.approx(expected)
    assert log_normal.parameters == pytest.approx({"mu": logs.mean(), "sigma": logs.std()})


def test_each_distribution_passes_its_own_test_and_fails_the_others() -> None:
    places = (np.arange(400) + 0.5) / 400
    exponential, log_normal = stats.expon(scale=20).ppf(places), stats.lognorm(0.4, scale=9).ppf(places)
    assert not exponential_fit(exponential).rejected
    assert log_normal_fit(exponential).rejected
    assert exponential_fit(log_normal).rejected
    assert not log_normal_fit(log_normal).rejected


def test_fitted_parameters_are_reckoned_with() -> None:
    """Under the null hypothesis one sample in twenty is rejected; the textbook p-value, which takes the fitted scale
    for known, rejects next to none."""
    rng = np.random.default_rng(3)
    samples = rng.exponential(1, (200, 30))
    rejected = np.mean([exponential_fit(sample, resamples=199).p_value < 0.05 for sample in samples])
    textbook = np.mean([stats.kstest(s, stats.expon(scale=s.mean()).cdf).pvalue < 0.05 for s in samples])
    assert 0.02 <= rejected <= 0.1
    assert textbook < rejected
