"""Clusters, maps and duplicates of points whose clusters are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from framesense.schemas.photo_sets import ClusterCandidate
from worker.jobs.concurrency import Stopped
from worker.photo_sets.clustering import Partition, agreement, elbow, hdbscan, kmeans, kmodes, plane
from worker.photo_sets.duplicates import find_duplicates

TRUTH = np.repeat([0, 1, 2], 20)


@pytest.fixture(scope="module")
def points() -> NDArray[np.float32]:
    """Three tight bundles of directions."""
    rng = np.random.default_rng(0)
    around = np.eye(3, 8)[TRUTH] + rng.normal(scale=0.05, size=(60, 8))
    unit: NDArray[np.float32] = (around / np.linalg.norm(around, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.fixture(scope="module")
def tagged() -> NDArray[np.bool_]:
    """Three typical sets of tags, a tag in twenty flipped."""
    modes = np.repeat(np.eye(3, dtype=bool), 5, axis=1)
    flipped: NDArray[np.bool_] = modes[TRUTH] ^ (np.random.default_rng(0).random((60, 15)) < 0.05)
    return flipped


def _finds_the_truth(found: Partition) -> None:
    assert found.clusters == 3
    assert agreement(found.labels, [str(one) for one in TRUTH]) == pytest.approx((1, 1))


def test_kmeans_finds_how_many_there_are(points: NDArray[np.float32]) -> None:
    found = kmeans(points)
    _finds_the_truth(found)
    assert found.elbow == 3
    assert sorted(found.sizes) == [20, 20, 20]
    assert [candidate.clusters for candidate in found.candidates] == list(range(2, 13))


def test_kmodes_finds_how_many_there_are(tagged: NDArray[np.bool_]) -> None:
    _finds_the_truth(kmodes(tagged))


def test_hdbscan_leaves_out_what_is_nowhere_dense(points: NDArray[np.float32]) -> None:
    stray = np.zeros((1, 8), np.float32)
    stray[0, 7] = 1
    found = hdbscan(np.vstack([points, stray]))
    _finds_the_truth(Partition(found.labels[:60], ""))
    assert found.labels[60] == -1


def test_as_many_clusters_as_asked_for(points: NDArray[np.float32], tagged: NDArray[np.bool_]) -> None:
    assert kmeans(points, clusters=5).clusters == 5
    assert kmodes(tagged, clusters=2).clusters == 2


@pytest.mark.parametrize("n", [4, 5, 7])
def test_photos_that_are_all_alike_are_one_cluster(n: int) -> None:
    same = np.ones((n, 3), np.float32) / np.sqrt(3)
    assert kmeans(same).clusters == 1
    assert kmodes(np.ones((n, 3), bool)).clusters == 1
    assert len(hdbscan(same).labels) == n
    assert np.isfinite(plane(same)).all()


@pytest.mark.parametrize("n", [4, 5])
def test_the_fewest_photos(n: int) -> None:
    few = np.eye(n, dtype=np.float32)
    assert kmeans(few).clusters >= 2
    assert kmodes(few.astype(bool)).clusters >= 2
    assert plane(few).shape == (n, 2)


def test_clustering_can_be_given_up(points: NDArray[np.float32]) -> None:
    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        kmeans(points, pause=stop)


def test_the_map_puts_like_near_like_and_is_the_same_every_time(points: NDArray[np.float32]) -> None:
    first, second = plane(points), plane(points)
    assert np.array_equal(first, second)
    middles = np.array([first[one == TRUTH].mean(axis=0) for one in range(3)])
    nearest = np.linalg.norm(first[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == TRUTH).all()


def test_agreement_needs_two_groups_and_passes_over_noise() -> None:
    labels = np.array([0, 0, 1, 1, -1])
    assert agreement(labels, ["a", "a", "b", "b", "a"]) == pytest.approx((1, 1))
    assert agreement(labels, ["a", "a", None, None, "b"]) is None


def test_the_elbow_is_where_the_cost_bends() -> None:
    costs = [100, 40, 10, 9, 8, 7]
    candidates = [ClusterCandidate(clusters=k, cost=cost) for k, cost in enumerate(costs, start=2)]
    assert elbow(candidates) == 4
    assert elbow(candidates[:2]) is None


def test_duplicates_are_those_of_an_earlier_photo() -> None:
    def at(degrees: float) -> list[float]:
        return [np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]

    angles = [0, 90, 10, 20, 0, 91]
    found = find_duplicates(
        np.array([at(angle) for angle in angles], np.float32),
        ["a", "b", "c", "d", "a", "f"],
        least_cosine=float(np.cos(np.radians(12))),
    )
    # 20° is near 10°, but 10° is a duplicate itself, and 20° is not near enough to 0°.
    assert found.of.tolist() == [-1, -1, 0, -1, 0, 1]
    assert found.exact.tolist() == [False, False, False, False, True, False]
    assert found.near.tolist() == [False, False, True, False, False, True]
    assert found.cosine[5] == pytest.approx(np.cos(np.radians(1)))


def test_duplicates_across_blocks_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(1100, 4)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    found = find_duplicates(points, [str(n) for n in range(len(points))], least_cosine=0.99)
    firsts: list[int] = []
    for index, point in enumerate(points):
        alike = points[firsts] @ point if firsts else np.zeros(1)
        if alike.max() < 0.99:
            firsts.append(index)
            assert found.of[index] == -1
        else:
            assert found.of[index] == firsts[int(alike.argmax())]
