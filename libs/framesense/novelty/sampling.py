"""How often a video is looked at, where nobody says."""

from itertools import pairwise
from math import ceil

LEAST_FRAMES = 30
"""Frames that even the shortest clip gets, as far as it has them."""
MOST_FRAMES = 1800
"""What two CPU cores look at in a few minutes."""
STEPS = ((15.0, 0.2), (60.0, 0.25), (300.0, 0.5), (1200.0, 1.0), (3600.0, 2.0))
"""Up to so many seconds of video, seconds between frames."""
LONG_STEPS = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


def default_interval(duration: float) -> float:
    """Choose the seconds between sampled frames for a video of ``duration`` seconds.

    Short clips are looked at five times a second, as cuts and passers-by last for a fraction of one; longer videos less
    and less often, so that there are at least about LEAST_FRAMES and at most about MOST_FRAMES frames.
    """
    if duration < LEAST_FRAMES * STEPS[0][1]:
        return max(0.04, round(duration / LEAST_FRAMES, 2))
    for longest, step in STEPS:
        if duration <= longest:
            return step
    return next((step for step in LONG_STEPS if duration / step <= MOST_FRAMES), LONG_STEPS[-1])


def frame_count(duration: float, every_n_second: float) -> int:
    """Return how many of the times 0, N, 2N, … seconds lie before the end, at least 1."""
    return max(1, ceil(round(duration / every_n_second, 6)))


assert all(shorter[0] / shorter[1] <= longer[0] / longer[1] for shorter, longer in pairwise(STEPS))
