"""Decide how long a failed request is tried again: by the clock, however many attempts that takes.

A service that is away and one that loads its model are told apart: a large model may take many minutes, and says so
meanwhile, whereas a service that says nothing for a minute will hardly come back by itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two attempts: doubled each time, or what ``Retry-After`` says; never less, never more."""


@dataclass(frozen=True)
class RetryPolicy:
    """Try again for ``seconds`` after the first failure, or for ``loading_seconds`` while the service loads its model.

    An attempt may itself take long, until its timeout: there is always one after the first pause, unless both are 0.
    """

    seconds: float = 60.0
    loading_seconds: float = 1800.0


NO_RETRY = RetryPolicy(0.0, 0.0)


@dataclass(frozen=True)
class Failure:
    """One attempt that failed: why, when the service wants to be asked again, and whether it is loading its model."""

    reason: str
    retry_after: float | None = None
    loading: bool = False


class RetryTimer:
    """Measure the failures of one request."""

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._clock = policy, clock
        self._pause = FIRST_PAUSE
        self._absent_since: float | None = None
        self._loading_since: float | None = None
        self._attempts = 0
        self._failed_for = 0.0

    def pause_after(self, failure: Failure) -> float | None:
        """Return the seconds to wait before the next attempt, or None when it is time to give up.

        The time of absence begins anew whenever the service says that it is loading; the time of loading never does.
        """
        now = self._clock()
        self._attempts += 1
        if failure.loading:
            self._absent_since, self._pause = None, FIRST_PAUSE
            since = self._loading_since = now if self._loading_since is None else self._loading_since
            limit = self._policy.loading_seconds
        else:
            since = self._absent_since = now if self._absent_since is None else self._absent_since
            limit = self._policy.seconds
        self._failed_for = now - since
        left = limit - self._failed_for
        if left <= 0:
            return None
        pause = self._pause
        if failure.retry_after is None:
            self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        else:
            pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, failure.retry_after))
        return min(pause, left)

    def summary(self, failure: Failure) -> str:
        """Say for how long, and how often, the service was asked in vain, and what it said last."""
        attempts = "1 attempt" if self._attempts == 1 else f"{self._attempts} attempts in {self._failed_for:.0f} s"
        return f"{'still loading after' if failure.loading else 'no answer in'} {attempts}; the last: {failure.reason}"
