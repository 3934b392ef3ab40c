"""Words that begin and cease to fit, on embeddings whose fit is known."""

import numpy as np
import pytest

from framesense.novelty.changes import WordChange, WordLevels, changed_words, fitting_words

ROAD, CAR, BIRD = np.eye(3, 4)
EMPTY = np.array([0.0, 0.0, 0.0, 1.0])


def levels(mean: float = 0.1, deviation: float = 0.1) -> WordLevels:
    words = ["road", "car", "bird"]
    return WordLevels(words, np.stack([ROAD, CAR, BIRD]), np.full(3, mean), np.full(3, deviation))


def mixed(**parts: float) -> np.ndarray:
    vector = parts.get("road", 0) * ROAD + parts.get("car", 0) * CAR + parts.get("bird", 0) * BIRD + 0.2 * EMPTY
    return vector / np.linalg.norm(vector)


def test_a_car_that_comes_onto_a_road_is_told_and_the_road_is_not() -> None:
    before = np.stack([mixed(road=1)] * 4)
    changes = changed_words(levels(), before, np.stack([mixed(road=1, car=1)] * 3))
    assert [change.word for change in changes] == ["car"]
    assert changes[0].change == pytest.approx(mixed(road=1, car=1) @ CAR / 0.1)


def test_what_went_is_told_after_what_came() -> None:
    changes = changed_words(levels(), np.stack([mixed(bird=1)]), np.stack([mixed(car=1)]))
    assert [(change.word, change.change > 0) for change in changes] == [("car", True), ("bird", False)]


def test_of_a_picture_in_which_nothing_is_seen_nothing_is_missed() -> None:
    assert changed_words(levels(), np.stack([mixed(bird=1)] * 4), np.stack([mixed()] * 4)) == []


def test_a_word_that_is_back_within_the_moment_has_not_gone() -> None:
    now = np.stack([mixed(car=1), mixed(car=1), mixed(car=1, bird=0.5)])
    assert [change.word for change in changed_words(levels(), np.stack([mixed(bird=1)]), now)] == ["car"]


def test_a_word_that_hardly_fits_is_not_told_however_much_it_rose() -> None:
    before, now = np.stack([mixed(road=1, car=-0.5)]), np.stack([mixed(road=1, car=0.2)])
    assert changed_words(levels(), before, now) == []


def test_a_word_beside_the_best_has_to_fit_very_well() -> None:
    before, now = np.stack([mixed(road=1, car=-1)]), np.stack([mixed(road=1, car=0.6)])
    assert changed_words(levels(0.1, 0.08), before, now) != []
    assert changed_words(levels(0.1, 0.1), before, now) == [], "4.1 standard deviations, the road has 7.5"


def test_a_word_of_a_single_frame_of_a_long_moment_is_not_told() -> None:
    before, now = np.stack([mixed(road=1)]), np.stack([mixed(road=1)] * 11 + [mixed(car=1)])
    assert changed_words(levels(), before, now) == []


def test_nothing_changed() -> None:
    same = np.stack([mixed(road=1, car=1)] * 3)
    assert changed_words(levels(), same, same) == []


def test_without_frames_before_the_words_that_fit_are_told() -> None:
    changes = changed_words(levels(), np.zeros((0, 4)), np.stack([mixed(car=1)]))
    assert changes == [WordChange("car", pytest.approx(8.8, abs=0.1))]


def test_no_more_than_the_limit_of_each() -> None:
    changes = changed_words(levels(), np.stack([mixed()]), np.stack([mixed(road=1, car=0.9, bird=0.8)]), limit=2)
    assert [change.word for change in changes] == ["road", "car"]


def test_the_words_that_fit_each_picture_the_best_first() -> None:
    pictures = np.stack([mixed(road=1), mixed(road=0.8, car=1), mixed()])
    assert fitting_words(levels(), pictures) == [["road"], ["car", "road"], []]
    assert fitting_words(levels(), pictures, limit=1) == [["road"], ["car"], []]
    assert fitting_words(levels(), np.zeros((0, 4))) == []


def test_a_word_beside_the_best_is_left_out_where_it_fits_only_a_little() -> None:
    assert fitting_words(levels(0.1, 0.14), np.stack([mixed(road=1, car=0.6)])) == [["road"]]
