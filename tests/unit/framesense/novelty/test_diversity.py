"""The Vendi score against its definition."""

import numpy as np
import pytest

from framesense.novelty.diversity import MOST_ITEMS, vendi_score


def test_as_many_as_there_are_directions() -> None:
    assert vendi_score(np.eye(5)) == pytest.approx(5)
    assert vendi_score(np.ones((5, 3))) == pytest.approx(1)
    assert vendi_score(np.repeat(np.eye(3), 4, axis=0)) == pytest.approx(3)


@pytest.mark.parametrize("shape", [(6, 40), (40, 6)])
def test_is_its_definition(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(0).normal(size=shape)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    eigenvalues = np.linalg.svd(unit, compute_uv=False) ** 2 / len(unit)
    assert vendi_score(7 * rows) == pytest.approx(np.exp(-np.sum(eigenvalues * np.log(eigenvalues))))


def test_zero_rows_are_left_out_and_long_sets_thinned() -> None:
    rows = np.random.default_rng(1).normal(size=(10, 8))
    assert vendi_score(np.vstack([rows, np.zeros((3, 8))])) == pytest.approx(vendi_score(rows))
    many = np.repeat(rows, MOST_ITEMS // 5, axis=0)
    assert vendi_score(many) == pytest.approx(vendi_score(rows), rel=0.02)


@pytest.mark.parametrize("bad", [np.zeros((0, 4)), np.zeros((3, 4)), np.ones(4)])
def test_nothing_to_compare(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"nothing to compare|items × dimensions"):
        vendi_score(bad)
