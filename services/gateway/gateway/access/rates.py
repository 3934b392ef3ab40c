"""Count what happens in a minute, and say when it is too much. The counts are this process's own."""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable

MINUTE = 60.0
MOST_NAMES = 10_000
"""Whose counts are kept: those heard of last."""


class RateLimit:
    """Keep when each of many names did something in the last minute.

    Args:
        clock: seconds of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._events: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, name: str, limit: int) -> None:
        """Count an event; of one name no more than ``limit`` are remembered."""
        events = self._recent(name) or deque()
        events.append(self._clock())
        while len(events) > limit:
            events.popleft()
        self._events[name] = events
        self._events.move_to_end(name)
        while len(self._events) > MOST_NAMES:
            self._events.popitem(last=False)

    def wait(self, name: str, limit: int) -> float:
        """Return the seconds until a name may go on, which may do something ``limit`` times a minute; 0 for at once."""
        events = self._recent(name)
        if events is None or len(events) < limit:
            return 0.0
        return max(0.0, events[-limit] + MINUTE - self._clock())

    def _recent(self, name: str) -> deque[float] | None:
        events = self._events.get(name)
        if events is None:
            return None
        while events and events[0] <= self._clock() - MINUTE:
            events.popleft()
        if not events:
            del self._events[name]
            return None
        return events


def network_of(address: str) -> str:
    """Return whose tries count together: an IPv4 address, or the /64 that one subscriber has of IPv6."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else address
