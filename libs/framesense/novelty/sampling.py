"""How often a video is looked at, where nobody says."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor, log10

from framesense.http.problems import ProblemError

LEAST_FRAMES = 30
"""Frames that even the shortest clip gets, as far as it has them."""
MOST_FRAMES = 1800
"""What two CPU cores look at in a few minutes."""
STEPS = ((15.0, 0.2), (60.0, 0.25), (300.0, 0.5), (1200.0, 1.0), (3600.0, 2.0))
"""Up to so many seconds of video, seconds between frames."""
LONG_STEPS = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


def default_interval(duration: float, frame_interval: float = 0.0) -> float:
    """Choose the seconds between sampled frames for a video of ``duration`` seconds.

    Short clips are looked at five times a second, as cuts and passers-by last for a fraction of one; longer videos less
    and less often, so that there are at least about LEAST_FRAMES and at most about MOST_FRAMES frames. No video is
    looked at more often than it has frames: every ``frame_interval`` seconds.
    """
    return max(_by_length(duration), frame_interval)


def _by_length(duration: float) -> float:
    if duration < LEAST_FRAMES * STEPS[0][1]:
        return max(0.04, round(duration / LEAST_FRAMES, 2))
    for longest, step in STEPS:
        if duration <= longest:
            return step
    return next((step for step in LONG_STEPS if duration / step <= MOST_FRAMES), LONG_STEPS[-1])


def frame_count(duration: float, every_n_second: float) -> int:
    """Return how many of the times 0, N, 2N, … seconds lie before the end, at least 1."""
    return max(1, ceil(round(duration / every_n_second, 6)))


def count_frames(spans: Sequence[float], every_n_second: float) -> int:
    """Return how many frames are sampled from stretches of so many seconds each."""
    return sum(frame_count(span, every_n_second) for span in spans)


def too_many_frames(frames: int, most: int, every_n_second: float, covered: float) -> ProblemError:
    """Describe an analysis of more than ``most`` frames. ``covered``: seconds for which there are frames."""
    detail = (
        f"A frame every {every_n_second:g} s makes {frames:,} frames of this video; at most {most:,} are allowed. "
        f"Choose at least {_rounded_up(covered / most)} s."
    )
    return ProblemError(422, "too-many-frames", "Too many frames", detail)


def _rounded_up(seconds: float) -> str:
    """Write seconds with two digits, not less than they are: 0.5554 as 0.56."""
    unit = 10.0 ** (floor(log10(seconds)) - 1)
    return f"{ceil(seconds / unit) * unit:.6g}"


assert all(shorter[0] / shorter[1] <= longer[0] / longer[1] for shorter, longer in pairwise(STEPS))
