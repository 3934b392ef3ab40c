"""A clock that moves only when somebody sleeps."""


class SteppingClock:
    """Tell the time in seconds since it was made; note each sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move the time on."""
        self.pauses.append(seconds)
        self.now += seconds
