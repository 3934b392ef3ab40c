"""What stands out, in footage made of random places: each place of each scene looks like something of its own."""

import numpy as np
import pytest

from framesense.novelty.background import compare_with_background
from framesense.novelty.moments import Moment, find_moments
from framesense.novelty.patches import distances_within
from framesense.novelty.scores import (
    Evidence,
    auto_evidence,
    curve_scores,
    floor_of,
    newness,
    reference_scores,
    scenes,
)
from framesense.novelty.shots import above_neighbours, jump
from framesense.schemas.novelty import Metric, Signal, Strength

ROWS, COLUMNS, DIMENSIONS, PICTURE = 7, 7, 24, 40


class Footage:
    """Scenes are numbers; frames of one scene differ by noise alone."""

    def __init__(self, order: list[int], noise: float = 0.02) -> None:
        rng = np.random.default_rng(0)
        places = rng.normal(size=(max(order) + 1, ROWS, COLUMNS, DIMENSIONS))
        pictures = rng.normal(size=(max(order) + 1, PICTURE))
        self.grids = _unit(places[order] + noise * rng.normal(size=(len(order), ROWS, COLUMNS, DIMENSIONS)))
        self.visual = _unit(pictures[order] + noise * rng.normal(size=(len(order), PICTURE)))

    def put(self, frames: slice, row: int, column: int, *, seed: int = 7) -> "Footage":
        """Something in 2 × 2 places that the picture as a whole hardly shows."""
        thing = _unit(np.random.default_rng(seed).normal(size=(2, 2, DIMENSIONS)))
        self.grids[frames, row : row + 2, column : column + 2] = thing
        return self

    def evidence(self, every: float = 1.0) -> Evidence:
        return auto_evidence(self.visual, lambda indices: self.grids[indices], window=3, every=every)

    def strong(self, every: float = 1.0) -> list[Moment]:
        found = find_moments(self.evidence(every).scores)
        return sorted((one for one in found if one.strength is Strength.STRONG), key=lambda one: one.start)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def covered(moments: list[Moment]) -> list[tuple[int, int]]:
    return [(moment.start, moment.end) for moment in moments]


def test_identical_pictures_have_no_novelty_and_no_moment() -> None:
    still = Footage([0] * 60, noise=0.0)
    assert still.evidence().scores.max() == 0
    assert find_moments(still.evidence().scores) == []


def test_sensor_noise_is_no_moment() -> None:
    assert find_moments(Footage([0] * 80, noise=0.05).evidence().scores) == []


def test_what_appears_in_a_corner_and_goes_is_found_each_time() -> None:
    road = Footage([0] * 100).put(slice(20, 26), 5, 0).put(slice(60, 65), 1, 4, seed=8)
    assert covered(road.strong()) == [(20, 25), (60, 64)]


@pytest.mark.parametrize("start", [30, 50, 80])
def test_what_appears_and_stays_is_found_where_it_appears(start: int) -> None:
    (moment,) = Footage([0] * 100).put(slice(start, 100), 2, 2).strong()
    assert moment.start == start


def test_what_stays_from_the_first_frames_on_is_found_beside_what_it_replaced() -> None:
    before, after = Footage([0] * 100).put(slice(15, 100), 2, 2).strong()
    assert before.end < 15 <= after.start <= 27


def test_what_keeps_coming_back_is_background() -> None:
    belt = Footage([0] * 120)
    for start in range(0, 120, 8):
        belt.put(slice(start, start + 4), 3, 3)
    assert belt.strong() == []


def test_a_blink_is_none_where_frames_are_near_enough_to_tell() -> None:
    blink = Footage([0] * 100).put(slice(50, 51), 5, 0)
    assert blink.strong(every=0.2) == []
    assert covered(blink.strong(every=10)) == [(50, 50)]
    assert covered(Footage([0] * 100).put(slice(50, 52), 5, 0).strong(every=0.2)) == [(50, 51)]


def test_what_comes_with_the_last_frame_was_not_seen_to_stay() -> None:
    assert Footage([0] * 100).put(slice(99, 100), 5, 0).strong(every=0.2) == []
    assert covered(Footage([0] * 100).put(slice(98, 100), 5, 0).strong(every=0.2)) == [(98, 99)]


def test_every_cut_is_found_and_every_shot_may_be_short() -> None:
    shots = Footage([0] * 9 + [1] * 8 + [2] * 12 + [3] * 11 + [4] * 1)
    assert [moment.start for moment in shots.strong()] == [9, 17, 29, 40]


def test_a_foreign_scene_is_one_moment_and_the_return_is_none() -> None:
    (moment,) = Footage([0] * 40 + [1] * 6 + [0] * 40).strong()
    assert (moment.start, moment.end) == (40, 45)
    (first,) = Footage([0] * 40 + [1] * 30 + [0] * 40).strong()
    assert first.start == 40  # what stays long becomes usual; the return after it is not odd


def test_a_moving_camera_has_no_odd_places() -> None:
    rng = np.random.default_rng(1)
    wandering = Footage([0] * 80)
    wandering.grids[:] = _unit(rng.normal(size=wandering.grids.shape))
    assert wandering.strong() == []


def test_a_bare_wall_does_not_tell_that_a_camera_stands_still() -> None:
    """More than half of the places look the same whatever the camera does; what has structure wanders."""
    rng = np.random.default_rng(1)
    wandering = Footage([0] * 80)
    wandering.grids[:] = wandering.grids[:, :1, :1]
    wandering.grids[:, 4:] = _unit(rng.normal(size=wandering.grids[:, 4:].shape))
    background = compare_with_background(lambda indices: wandering.grids[indices], np.arange(80), window=3)
    assert background.restlessness.min() > 0.5
    assert wandering.strong() == []


def test_what_changes_at_a_steady_pace_is_not_odd_once_enough_was_seen() -> None:
    """One place turns by the same angle from frame to frame and never comes back."""
    turning = Footage([0] * 60, noise=0.0)
    angles = np.linspace(0, np.pi / 2, 60)[:, None, None, None]
    first, second = np.eye(2, DIMENSIONS)
    turning.grids[:, 2:4, 2:4] = np.cos(angles) * first + np.sin(angles) * second
    background = compare_with_background(lambda indices: turning.grids[indices], np.arange(60), window=3)
    assert background.oddness.max() < 0.1


def test_a_light_that_goes_out_before_a_camera_that_stands_still_is_a_moment() -> None:
    room = Footage([0] * 80)
    lit = np.array([120.0] * 40 + [30.0] * 40)
    evidence = auto_evidence(room.visual, lambda indices: room.grids[indices], lit, window=3, every=1.0)
    assert np.flatnonzero(evidence.light >= 1).tolist() == list(range(40, 52))
    assert find_moments(evidence.scores)[0].start == 40


def test_a_camera_that_wanders_into_the_dark_is_none() -> None:
    rng = np.random.default_rng(1)
    wandering = Footage([0] * 80)
    wandering.grids[:] = _unit(rng.normal(size=wandering.grids.shape))
    wandering.visual[40:] = _unit(rng.normal(size=(40, PICTURE)))
    lit = np.array([120.0] * 40 + [30.0] * 40)
    evidence = auto_evidence(wandering.visual, lambda indices: wandering.grids[indices], lit, window=3, every=1.0)
    assert evidence.light.max() < 1e-3


@pytest.mark.parametrize("count", [0, 1, 2, 5, 11])
def test_few_frames_are_no_trouble(count: int) -> None:
    if count == 0:
        nothing = auto_evidence(np.zeros((0, 4)), lambda indices: np.zeros((0, 2, 2, 3), np.float32), window=3, every=1)
        assert nothing.scores.shape == (0,)
    else:
        assert Footage([0] * count).strong() == []


def test_a_long_video_is_compared_in_blocks() -> None:
    hours = Footage([0] * 1300).put(slice(100, 104), 0, 0).put(slice(700, 705), 5, 5).put(slice(1290, 1294), 2, 3)
    assert covered(hours.strong()) == [(100, 103), (700, 704), (1290, 1293)]


def test_the_oddest_three_places_make_a_frame_odd() -> None:
    plain = Footage([0] * 40, noise=0.0).put(slice(20, 22), 2, 2)
    background = compare_with_background(lambda indices: plain.grids[indices], np.arange(40), window=3)
    distances = np.linalg.norm(plain.grids[20, 2:4, 2:4] - plain.grids[0, 2:4, 2:4], axis=2)
    assert background.oddness[20] == pytest.approx(np.sort(distances.ravel())[1:].mean(), abs=1e-3)
    assert background.oddness[[5, 35]] == pytest.approx(0, abs=1e-3)
    assert background.restlessness.max() == pytest.approx(0, abs=1e-3)


def test_a_jump_follows_what_moved_to_a_neighbour() -> None:
    before = Footage([0]).grids[0]
    moved = np.roll(before, 1, axis=1)
    assert jump(before, moved) == pytest.approx(0, abs=1e-3)
    assert jump(before, np.roll(before, 3, axis=1)) > 0.8


def test_a_rise_is_above_the_median_of_the_values_around() -> None:
    assert above_neighbours(np.array([0, 1, 1, 5, 1, 1, 2.0])).tolist() == [0, 0, 0, 4, 0, 0, 1]


def test_newness_is_the_distance_to_the_nearest_before() -> None:
    found, nearest = newness(np.array([[1.0, 0], [0, 1], [1, 0], [0.6, 0.8]]), gap=1)
    assert found == pytest.approx([0, 1, 0, 0.2])
    assert nearest.tolist() == [0, 0, 0, 1]
    assert newness(np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]]), gap=2)[0] == pytest.approx([0, 1, 1, 0])


def test_a_return_joins_the_scene_it_is_back_at() -> None:
    cuts = np.array([False, False, True, False, True, False, True])
    returns = np.array([False, False, False, False, True, False, False])
    found = scenes(cuts, returns, np.array([0, 0, 1, 2, 1, 4, 5]))
    assert [scene.tolist() for scene in found] == [[0, 1, 4, 5], [2, 3], [6]]


def test_what_is_odd_until_a_cut_and_the_cut_are_two_moments() -> None:
    film = Footage([0] * 60 + [1] * 60).put(slice(50, 60), 2, 2)
    assert [moment.start for moment in film.strong()] == [50, 60]
    shots = Footage([0] * 40 + [1] * 2 + [2] * 40)
    assert shots.strong()[0].start == 40, "a shot too short to be parted"


def test_a_scene_that_only_resembles_an_earlier_one_is_another() -> None:
    film = Footage([0] * 40 + [1] * 30 + [2] * 40)
    film.visual[70:] = _unit(0.82 * film.visual[0] + 0.57 * film.visual[70])
    assert 0.17 < 1 - float(film.visual[0] @ film.visual[70]) < 0.3
    assert [moment.start for moment in film.strong()] == [40, 70]


def test_back_from_a_dark_scene_it_is_not_the_light_that_changed() -> None:
    film = Footage([0] * 40 + [1] * 6 + [0] * 40)
    film.grids[40:46] = _unit(
        film.grids[0] + 0.6 * film.grids[40]
    )  # places that hardly differ: a jump, no cut by itself
    brightness = np.full(86, 180.0)
    brightness[40:46] = 60
    evidence = auto_evidence(film.visual, lambda indices: film.grids[indices], brightness, window=3, every=1.0)
    assert evidence.light.max() < 0.1
    (moment,) = [one for one in find_moments(evidence.scores) if one.strength is Strength.STRONG]
    assert (moment.start, moment.end) == (40, 45)


def test_captions_that_stay_stand_out_from_less() -> None:
    for metric in Metric:
        for signal in (Signal.WORDS, Signal.SENTENCE):
            steady = floor_of(signal, metric, captioner_family="show-attend-tell")
            assert steady < 0.8 * floor_of(signal, metric, captioner_family="blip")
        visual = [floor_of(Signal.VISUAL, metric, captioner_family=one) for one in ("show-attend-tell", "blip")]
        assert visual[0] == visual[1]


def test_a_busy_curve_is_measured_by_its_lower_part() -> None:
    calm, busy = np.full(30, 0.1), np.tile([0.1, 0.1, 0.1, 0.9, 0.8], 6)
    assert curve_scores(calm, floor=0.2).max() == 0
    assert curve_scores(busy, floor=0.2)[3] == pytest.approx(4)  # though two in five frames stand out
    assert curve_scores(np.append(5.0, calm), floor=0.2)[0] == 0  # the first frame has nothing before it


def test_a_reference_measures_by_its_own_spread() -> None:
    calm = reference_scores(np.array([0.001, 1.7]), usual=0.001, farthest=0.0012)
    assert calm.tolist() == pytest.approx([0, 17], abs=0.1)
    wide = reference_scores(np.array([1.0, 1.6, 2.6]), usual=1.0, farthest=1.5)
    assert (wide[0], wide[1] < 1, wide[2] > 2) == (0, True, True)


def test_the_frames_of_a_reference_are_held_against_the_others() -> None:
    frames = Footage([0] * 12 + [1] * 4).grids
    found = distances_within(frames)
    assert found.shape == (16,)
    assert found[:12].max() < 0.3 < found[12:].min()  # the last stretch is like none of the others
    assert distances_within(frames[:1]).shape == (0,)
