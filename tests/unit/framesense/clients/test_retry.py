"""How long a failed request is tried again, by the clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framesense.clients.retry import LONGEST_PAUSE, NO_RETRY, Failure, RetryPolicy, RetryTimer
from tests.support.clock import SteppingClock

AWAY = Failure("refused")
LOADING = Failure("is being loaded", retry_after=2.0, loading=True)


def give_up_after(policy: RetryPolicy, *failures: Failure, seconds_each: float = 0.0) -> float:
    """Return the time at which the last of these failures, again and again, is given up."""
    clock = SteppingClock()
    timer = RetryTimer(policy, clock)
    left = list(failures)
    while True:
        clock.now += seconds_each
        pause = timer.pause_after(left.pop(0) if len(left) > 1 else left[0])
        if pause is None:
            return clock.now
        clock.sleep(pause)


@pytest.mark.parametrize("retry_after", [None, 0.0, 1.0, 2.0, 7.0, 900.0])
def test_all_the_time_is_used_whatever_the_service_asks_for(retry_after: float | None) -> None:
    assert give_up_after(RetryPolicy(60.0), Failure("busy", retry_after)) == pytest.approx(60)


def test_loading_is_not_absence() -> None:
    policy = RetryPolicy(60.0, 600.0)
    assert give_up_after(policy, LOADING) == pytest.approx(600)
    assert give_up_after(policy, AWAY, LOADING) == pytest.approx(600.5)
    assert give_up_after(policy, *[LOADING] * 50, AWAY) == pytest.approx(160)


def test_a_service_that_dies_while_it_loads_again_and_again_is_given_up() -> None:
    failures = [LOADING, *[AWAY] * 5] * 1000
    assert 600 <= give_up_after(RetryPolicy(60.0, 600.0), *failures) < 700


def test_an_attempt_that_takes_longer_than_the_policy_is_made_twice() -> None:
    assert give_up_after(RetryPolicy(60.0), AWAY, seconds_each=120.0) == pytest.approx(240.5)


def test_no_retry_means_one_attempt() -> None:
    for failure in (AWAY, LOADING, Failure("busy", 3.0)):
        assert RetryTimer(NO_RETRY, SteppingClock()).pause_after(failure) is None


FAILURES = st.builds(
    Failure, st.just("x"), st.one_of(st.none(), st.floats(0, 1e9, allow_nan=False)), loading=st.booleans()
)


@given(st.lists(FAILURES, min_size=1, max_size=20), st.floats(0, 100), st.floats(0, 100))
def test_pauses_have_bounds_and_an_end(failures: list[Failure], seconds: float, loading_seconds: float) -> None:
    clock = SteppingClock()
    timer = RetryTimer(RetryPolicy(seconds, loading_seconds), clock)
    for failure in failures:
        pause = timer.pause_after(failure)
        if pause is None:
            break
        assert 0 < pause <= min(LONGEST_PAUSE, max(seconds, loading_seconds))
        clock.sleep(pause)
    assert clock.now <= loading_seconds + 2 * seconds + 1e-6
