"""The figures of the novelty bench against scikit-learn's, and its ground truth."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.novelty_bench import auroc, average_precision
from benchmarks.splices import HEIGHT, SECONDS, WIDTH, Condition, FrameKey, Splices


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_scikit_learns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.random(40) < 0.2
    positive[3] = True
    scores = np.round(rng.random(40), 1)  # with ties
    assert average_precision(positive, scores) == pytest.approx(average_precision_score(positive, scores))
    assert auroc(positive, scores) == pytest.approx(roc_auc_score(positive, scores))


def test_the_frames_called_foreign_are_the_guests() -> None:
    case = next(case for case in Splices().cases(0) if case.length == 3)
    assert len(case.keys) == SECONDS
    assert [key.scene == case.guest for key in case.keys] == case.foreign.tolist()
    assert case.foreign.sum() == 3 and case.host != case.guest


def test_a_frame_is_a_function_of_its_key() -> None:
    key = FrameKey("coffee", 7.0, Condition.ALL, 0.0, 3)
    one, other = Splices().render(key), Splices().render(key)
    assert one.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(one, other)
    dark, light = one.mean(), Splices().render(FrameKey("coffee", 7.0, Condition.CLEAN, 1.0, 3)).mean()
    assert dark < 0.7 * light
