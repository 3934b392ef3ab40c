"""What a video's samples are, worked out one by one from all of its frames."""

from collections.abc import Sequence
from fractions import Fraction

from worker.videos.frames import Video

Shown = tuple[Fraction, int]
"""When a frame is first shown, in seconds, and its number."""


def plain_samples(frames: Sequence[Shown], end: Fraction, every: float, video: Video) -> list[Shown]:
    """Sample one stretch of frames, the last of which stays until ``end``, as ``video`` is to be sampled.

    By ticks: what is on screen at each, with its own time, or that of the tick where it was sampled before. Of frames
    that come no faster than the ticks: each once, and one that stays once more for each usual interval.
    """
    step, whole = Fraction(str(every)), video.file.timeline()
    # An outline may only show that all packets have to be read before it is known.
    if video.timeline.takes_every_frame(step) and whole.takes_every_frame(step):
        return _every_frame(frames, end, whole.interval * whole.time_base)
    found, tick, before = list[Shown](), frames[0][0], frames[0][0] - 1
    while not found or tick < end:
        time, number = max(frame for frame in frames if frame[0] <= tick)
        found.append((time if time > before else tick, number))
        before, tick = tick, tick + step
    return found


def _every_frame(frames: Sequence[Shown], end: Fraction, usual: Fraction) -> list[Shown]:
    found = []
    for (time, number), leaves in zip(frames, [*(time for time, _ in frames[1:]), end], strict=True):
        again = time
        while again == time or leaves - again > usual / 2:
            found.append((again, number))
            again += usual
    return found
