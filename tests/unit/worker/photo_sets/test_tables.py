"""Numbers in a CSV say what was measured, not how a float32 looks in float64."""

import numpy as np
import pyarrow as pa
import pytest

from worker.photo_sets.tables import _rounded


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (np.array([0.3, -1e-9, 0.1234567], np.float32), [0.3, 0.0, 0.123457]),
        ([0.1 + 0.2, 1.0], [0.3, 1.0]),
        (pa.array([0.1 + 0.2, None], pa.float64()), [0.3, None]),
        (pa.array([3, None], pa.int64()), [3, None]),
        (["0.30000000000000004"], ["0.30000000000000004"]),
    ],
)
def test_numbers_are_rounded(values: object, written: list[object]) -> None:
    found = _rounded(values)
    told = found.to_pylist() if isinstance(found, pa.Array) else list(found)
    assert told == written
    assert "-0.0" not in map(str, told)
