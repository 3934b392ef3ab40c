"""Counting what happens in a minute."""

import pytest

from gateway.access.rates import MOST_NAMES, RateLimit, network_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_a_minute_and_then_a_wait() -> None:
    clock = Clock()
    rate = RateLimit(clock)
    for _ in range(3):
        assert rate.wait("a", 3) == 0
        rate.add("a", 3)
        clock.now += 10
    assert rate.wait("a", 3) == 30, "a minute after the first"
    assert rate.wait("b", 3) == 0
    clock.now += 30
    assert rate.wait("a", 3) == 0
    rate.add("a", 3)
    assert rate.wait("a", 3) == 10, "a minute after the second"
    clock.now += 3600
    assert rate.wait("a", 3) == 0


def test_names_without_end_take_no_memory_without_end() -> None:
    rate = RateLimit(Clock())
    for number in range(MOST_NAMES + 10):
        rate.add(str(number), 1)
    assert len(rate._events) == MOST_NAMES
    assert rate.wait("0", 1) == 0 and rate.wait(str(MOST_NAMES + 9), 1) == 60


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8::1", "2001:db8::/64"), ("testclient", "testclient"), ("", "")],
)
def test_a_subscriber_s_addresses_count_together(address: str, network: str) -> None:
    assert network_of(address) == network
