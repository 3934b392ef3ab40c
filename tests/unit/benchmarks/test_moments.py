"""What the bench of moments counts, by hand; and that its cases are what they say."""

from itertools import combinations

import numpy as np
import pytest

from benchmarks.moments.cases import Case, Event, Kind, Part, sample
from benchmarks.moments.footage import DEBIAN_PHOTOS, FPS, HEIGHT, WIDTH
from benchmarks.moments.peers import stretches
from benchmarks.moments.scenarios import MATERIAL, SIZES, cases
from benchmarks.moments.scoring import Counts, count, frame_ap

EVENTS = (Event(2, 4), Event(6, 6), Event(7, 7))


def counted(*found: tuple[float, float]) -> tuple[int, int, int]:
    counts = count(found, EVENTS, 60, 0.5)
    return counts.hits, counts.misses, counts.false


def test_a_stretch_finds_what_it_overlaps_with_tolerance() -> None:
    assert counted((3, 9), (1.0, 1.6), (6.4, 6.4)) == (3, 0, 0)
    assert counted((4.6, 5.4)) == (0, 3, 1)
    assert counted() == (0, 3, 0)


def test_one_event_each() -> None:
    assert counted((0, 10)) == (1, 2, 0), "all of the video is no answer"
    assert counted((2, 2.5), (3, 3.5)) == (1, 2, 1), "a second moment of one event is false"
    assert counted((5, 8), (5.9, 6)) == (2, 1, 0), "the first has to leave the second its only event"


def test_figures() -> None:
    counts = Counts(3, 1, 2, 90) + Counts(0, 0, 1, 30)
    assert (counts.precision, counts.recall, counts.f1) == (0.5, 0.75, 0.6)
    assert counts.false_a_minute == pytest.approx(1.5)
    assert Counts().f1 == 1


def test_frame_ap_of_a_cut_is_that_of_the_frame_after_it() -> None:
    times = np.arange(6) * 1.0
    assert frame_ap(times, np.array([0, 0, 0, 5, 1, 0.0]), [Event(2.5, 2.5)], 1) == 1
    assert frame_ap(times, np.array([0, 0, 0, 1, 5, 0.0]), [Event(2.5, 2.5)], 1) == 0.5
    assert np.isnan(frame_ap(times, np.zeros(6), [], 1))


def test_moving_frames_near_one_another_are_one_stretch() -> None:
    shares = np.zeros(40)
    shares[[3, 4, 10, 30]] = 1
    assert stretches(shares, 0.5) == [(3 / FPS, 10 / FPS), (3.0, 3.0)]
    assert stretches(shares, 2) == []


@pytest.mark.parametrize("part", list(Part))
def test_events_lie_in_their_videos(part: Part) -> None:
    if part is Part.HELD_OUT and not DEBIAN_PHOTOS.is_dir():
        pytest.skip("needs Debian's lomiri-wallpapers-16.04")
    made = list(cases(part))
    assert {case.kind for case in made} == set(Kind)
    assert {f"{size:.0%}" for size in SIZES} <= {case.group for case in made}
    for case in made:
        assert bool(case.events) == (case.kind is not Kind.QUIET)
        assert all(0 < event.start <= event.end < case.duration for event in case.events), case.name


def test_the_parts_share_no_photo_and_no_scene() -> None:
    photos = [{*one.hosts, *one.guests, *one.texts, *(thing[0] for thing in one.objects)} for one in MATERIAL.values()]
    scenes = [set(one.clips) for one in MATERIAL.values()]
    for one, other in combinations(range(len(MATERIAL)), 2):
        assert not photos[one] & photos[other]
        assert not scenes[one] & scenes[other]


def test_an_object_is_there_during_its_event_and_only_then() -> None:
    case = next(case for case in cases(Part.DEVELOPMENT) if case.group == "40%" and case.duration == 8)
    (event,) = case.events
    before, during = case.shot(event.start - 0.1), case.shot((event.start + event.end) / 2)
    after = case.shot(event.end + 0.1)
    assert before.shape == (HEIGHT, WIDTH, 3)
    assert np.mean(np.abs(before.astype(int) - after) > 30) < 0.001
    assert np.mean(np.abs(before.astype(int) - during) > 30) > 0.02


def test_frames_are_sampled_as_the_product_does() -> None:
    shade = Case(Kind.QUIET, "", "", 2.0, lambda second: np.full((8, 8, 3), round(second * 10), np.uint8))
    recording = sample(shade, 0.25)
    assert recording.times.tolist() == pytest.approx([0, 0.2, 0.5, 0.7, 1.0, 1.2, 1.5, 1.7])
    assert [int(picture[0, 0, 0]) for picture in recording.pictures] == [0, 2, 5, 7, 10, 12, 15, 17]
