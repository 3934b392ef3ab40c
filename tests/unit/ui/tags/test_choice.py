"""Which scores are shown as tags."""

import pytest

from framesense.schemas.tags import ThresholdOn
from tests.support.tags_answer import SCORES
from ui.tags.choice import chosen_tags


@pytest.mark.parametrize(
    ("threshold", "on", "most", "labels"),
    [
        (0.5, ThresholdOn.PROBABILITY, 5, ["dog", "cat"]),
        (0.5, ThresholdOn.PROBABILITY, 1, ["dog"]),
        (0.25, ThresholdOn.COSINE, 5, ["dog"]),
        (0.9, ThresholdOn.PROBABILITY, 5, ["dog"]),
        (0.95, ThresholdOn.PROBABILITY, 5, []),
        (-1.0, ThresholdOn.COSINE, 5, ["dog", "cat", "=sea"]),
    ],
)
def test_tags_are_those_over_the_threshold(threshold: float, on: ThresholdOn, most: int, labels: list[str]) -> None:
    assert [tag.label for tag in chosen_tags(SCORES, threshold, on, most)] == labels
