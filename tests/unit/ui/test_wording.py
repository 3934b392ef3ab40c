"""Numbers and texts as people read them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framesense.schemas.models import ModelPhase, ModelState
from framesense.schemas.novelty import Interval, VideoPlan
from ui.wording import (
    ago,
    clock,
    clock_digits,
    interval_text,
    lines_in,
    model_state,
    percent,
    plain,
    plan_text,
    signed_percent,
    signed_points,
    size,
    span,
    variety_text,
    words_in,
)

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0:00"), (0, "0:00"), (65.9, "1:05"), (3599, "59:59"), (3725, "1:02:05")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.9, "under 5 s"), (38, "40 s"), (89, "90 s"), (100, "2 min"), (7800, "2 h 10 min")]
)
def test_span(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (412_300, "412 kB"), (1_340_000_000, "1.34 GB")]
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [("auto", "as often as its length allows"), (1.0, "every 1 second"), (2.5, "every 2.5 seconds")],
)
def test_interval(interval: Interval, text: str) -> None:
    assert interval_text(interval) == text


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (VideoPlan(), ""),
        (VideoPlan(duration=0.1, every_n_second=0.04, frames=1), "1 frame."),
        (
            VideoPlan(duration=40, every_n_second=0.25, frames=160, seconds=15),
            "About 160 frames, one every 0.25 s: 15 s of work, as things went lately.",
        ),
    ],
)
def test_plan(plan: VideoPlan, text: str) -> None:
    assert plan_text(plan) == text


@pytest.mark.parametrize(
    ("diversity", "text"),
    [(1, "all of them alike"), (1.04, "all of them alike"), (2.33, "as varied as 2.3 different pictures")],
)
def test_variety(diversity: float, text: str) -> None:
    assert variety_text(diversity) == text


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=5, seconds=59), "5 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=2), "02 Mar 2026"),
    ],
)
def test_ago(passed: timedelta, text: str) -> None:
    assert ago(NOW - passed, NOW) == text


@pytest.mark.parametrize(("share", "text"), [(0, "< 0.1 %"), (0.0041, "0.4 %"), (0.931, "93 %"), (1, "100 %")])
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("change", "text"), [(0.458, "+46"), (-0.03, "−3"), (0.004, "0"), (-0.004, "0")])
def test_signed_percent(change: float, text: str) -> None:
    assert signed_percent(change) == text


def test_signed_points() -> None:
    assert [signed_points(change) for change in (0.458, -0.01, 0)] == ["+46 points", "−1 point", "0 points"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" , ,", []),
        ("cat, red   car,cat", ["cat", "red car"]),
        ("cat\nsalt, pepper\n\n", ["cat", "salt, pepper"]),
    ],
)
def test_words_are_listed_either_way(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_lines_keep_their_commas() -> None:
    assert lines_in("a photo, of a {label}\n\n  a {label}  \na {label}") == ["a photo, of a {label}", "a {label}"]


@given(st.text())
def test_markdown_is_escaped_and_nothing_else(text: str) -> None:
    shown = plain(text)
    special = set("\\`*_{}[]()<>#+-.!|~$:^&")
    assert len(shown) == len(text) + sum(letter in special for letter in text)
    assert plain("**1_000** :red[x]") == r"\*\*1\_000\*\* \:red\[x\]"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"memory_bytes": 96_000_000, "idle_since": datetime(2020, 1, 2, tzinfo=UTC)},
            "in memory (96 MB), last used 02",
        ),
        ({"in_use": 2}, "in memory, at work"),
        ({"switching_to": "hf:a/b"}, "switching to hf:a/b"),
        ({"state": ModelPhase.UNLOADED}, "the next request loads it"),
        ({"state": ModelPhase.FAILED}, "could not be loaded"),
        ({"state": ModelPhase.LOADING}, "being loaded"),
    ],
)
def test_what_a_model_server_holds(changes: dict[str, object], words: str) -> None:
    state = ModelState(service="captioner", model="embedded", state=ModelPhase.READY).model_copy(update=changes)
    assert words in model_state(state)


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [
        (0.96, 1, "0:01.0"),
        (5.9667, 2, "0:05.97"),
        (59.96, 1, "1:00.0"),
        (3599.9996, 3, "1:00:00.000"),
        (-1, 1, "0:00.0"),
    ],
)
def test_fractions_of_a_second_are_rounded(seconds: float, digits: int, text: str) -> None:
    assert clock(seconds, digits) == text


@given(st.floats(0.002, 30), st.integers(2, 200), st.floats(0, 7200))
def test_times_of_frames_can_be_told_apart(every: float, count: int, start: float) -> None:
    times = [start + index * every for index in range(count)]
    texts = [clock(time, clock_digits(times)) for time in times]
    assert len(set(texts)) == count


def test_whole_seconds_do_where_frames_lie_two_seconds_apart() -> None:
    assert clock_digits([0.0, 2.0, 4.0]) == clock_digits([3.0]) == clock_digits([]) == 0
    assert clock_digits([0.0, 0.96, 1.92]) == 1
