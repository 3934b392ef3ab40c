"""One clock that never goes back, from the presentation times that a file's packets carry.

Recordings joined byte by byte start their clocks again, transport and program streams count modulo 2³³, and damage
stamps single packets wildly. Here the times are unwrapped, joined end to end and mended, so that every packet has a
time of its own and none is lost.

Two facts of every codec tell a restarted clock from reordered frames: all that comes before a key frame in the file is
shown before it, and no frame waits for more than 16 that are shown after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

REORDERED = 16
"""Most frames that come earlier in the file and are shown later (H.264 and HEVC allow no more)."""
WILD_RUN = 2
"""Most packets in a row that are taken for wildly stamped rather than for another recording."""
WILD_SECONDS = 1.0
"""Least seconds by which a wild time lies outside those around it."""
WRAP = 2**33
"""Times in MPEG transport and program streams count modulo this (ISO/IEC 13818-1)."""
QUICK_SHARE = 0.1
"""Share of the frames that are quick ones: a few with times too close to one another are passed over."""
WRAP_SLACK = 10.0
"""Most seconds between two frames with the wrap between them."""

Times = NDArray[np.int64]


@dataclass
class Clock:
    """Presentation times in file order, mended, and what was mended.

    ``joins``: the mended times at which a restarted clock was joined; ``wild``: how many times were replaced.
    """

    times: Times
    joins: list[int] = field(default_factory=list)
    wild: int = 0


def mend_clock(
    pts: Times,
    dts: Times | None,
    key: NDArray[np.bool_],
    *,
    interval: int,
    time_base: Fraction,
    wraps: bool,
    joints: Sequence[int] = (),
) -> Clock:
    """Mend the presentation times of packets in file order.

    ``joints``: the numbers of packets with which another recording is known to begin, where the one before ends.
    ``dts``: decoding times, None where some are missing. ``interval``: a frame's usual duration. All in units of
    ``time_base`` seconds. ``wraps``: the container counts modulo :data:`WRAP`.
    """
    times = _unwrapped(pts, round(WRAP_SLACK / time_base)) if wraps else pts.copy()
    margin = max(round(WILD_SECONDS / time_base), (REORDERED + 1) * interval)
    wild = _wild(times, None if dts is None else dts + times - pts, margin)
    if wild:
        _replace(times, wild, interval)
    joins = _join(times, pts, dts, key, set(wild), interval)
    joins = sorted({*joins, *(int(times[at : at + REORDERED].min()) for at in joints)})
    if wraps or wild or joins:
        _set_apart(times)
    return Clock(times, joins, len(wild))


def usual_interval(durations: Times, times: Times) -> int:
    """Return the usual time from frame to frame: the median of the packets' durations, else of the times' steps.

    Returns 0 where neither says.
    """
    steps: Times = durations if len(durations) else np.diff(np.sort(times)).astype(np.int64)
    steps = np.sort(steps[steps > 0])
    return int(steps[(len(steps) - 1) // 2]) if len(steps) else 0


def quick_interval(times: Times, usual: int) -> int:
    """Return the time within which the quickest tenth of the frames are followed by the next, at most ``usual``.

    In a recording of a screen most frames may stay for seconds and some for a 30th of one; those must not be missed.
    """
    steps = np.diff(np.unique(times))
    return min(usual, int(np.quantile(steps, QUICK_SHARE, method="lower"))) if len(steps) else usual


def spread_out(times: Times, interval: int) -> Times:
    """Return ascending times without crowds: where frames follow too soon and a gap comes soon, they move into it.

    In program streams only the first frame of a packet has a time; libavformat counts on from it and may be wrong.
    """
    found = times.copy()
    for at in np.flatnonzero(np.diff(times) < interval // 2).tolist():
        steps = np.diff(found[at : at + 2 * REORDERED])
        gaps = np.flatnonzero(steps > interval + interval // 2)
        if len(gaps) and steps[0] < interval // 2:
            end = at + 1 + int(gaps[0])
            found[at + 1 : end] += min(interval - int(steps[0]), int(steps[gaps[0]]) - interval)
    return found


def _unwrapped(pts: Times, slack: int) -> Times:
    steps = np.diff(pts)
    turns = np.zeros(len(pts), dtype=np.int64)
    turns[1:] = np.where(np.abs(steps + WRAP) < slack, 1, np.where(np.abs(steps - WRAP) < slack, -1, 0))
    return pts + np.cumsum(turns) * WRAP


def _wild(times: Times, dts: Times | None, margin: int) -> list[int]:
    """Find the packets whose times lie far outside those on both sides, while both sides go on from one another."""
    leaps = np.flatnonzero(np.abs(np.diff(times)) > margin) + 1
    found: list[int] = []
    for at in leaps.tolist():
        if found and at <= found[-1]:
            continue
        before = times[max(0, at - REORDERED - 1) : at]
        before = before[np.abs(before - np.median(before)) <= 2 * margin]
        for run in range(1, WILD_RUN + 1):
            after = times[at + run : at + run + REORDERED + 1]
            if not len(after) or not len(before):
                break
            if len(after) <= REORDERED and (dts is None or dts[at + run] >= dts[at]):
                break  # Near the end of the file it may have been reordered; but decoding times never go back.
            low, high = int(before.min()), int(before.max())
            odd = times[at : at + run]
            goes_on = low < after[0] <= high + margin
            apart = min(low, int(after.min())) - margin, max(high, int(after.max())) + margin
            if dts is not None and _is_in_order(times, dts, at, at + run):
                break
            if goes_on and bool(np.all((odd < apart[0]) | (odd > apart[1]))):
                found.extend(range(at, at + run))
                break
    return found


def _is_in_order(times: Times, dts: Times, start: int, stop: int) -> bool:
    """Tell whether packets are decoded in order, each before it is shown and not longer before than frames may wait."""
    latest = dts[np.minimum(np.arange(start, stop) + REORDERED + 1, len(dts) - 1)]
    rising = bool(np.all(np.diff(dts[max(0, start - 1) : stop + 1]) > 0))
    waits = (dts[start:stop] <= times[start:stop]) & (times[start:stop] <= latest)
    return rising and bool(np.all(waits | (np.arange(start, stop) + REORDERED + 1 >= len(dts))))


def _replace(times: Times, wild: list[int], interval: int) -> None:
    """Give wild packets, in place, times in the widest gaps that they left among their neighbours."""
    bad = np.zeros(len(times), dtype=bool)
    bad[wild] = True
    for at in wild:
        near = slice(max(0, at - REORDERED - 1), at + REORDERED + 2)
        known = np.sort(times[near][~bad[near]])
        gaps = np.diff(known)
        widest = int(gaps.argmax())
        times[at] = known[widest] + min(interval, max(1, int(gaps[widest]) // 2))
        bad[at] = False


def _join(
    times: Times, pts: Times, dts: Times | None, key: NDArray[np.bool_], wild: set[int], interval: int
) -> list[int]:
    """Shift, in place, each recording that starts its clock again to the end of the one before."""
    joins: list[int] = []
    start = 0
    original = times.copy()
    for at in _steps_back(times, key):
        window = original[max(start, at - REORDERED - 1) : at]
        if not len(window):
            continue
        if key[at]:
            # A key frame marked wrongly goes back as well, but its decoding time does not.
            in_order = dts is not None and dts[at - 1] < dts[at] <= pts[at] and at - 1 not in wild
            back = original[at] + interval <= window.max() and not in_order
        else:
            back = len(window) > REORDERED and original[at] < window.min()
        if not back:
            continue
        end = int(times[start:at].max()) + max(1, interval)
        following = np.flatnonzero(key[at + 1 : at + REORDERED + 1])
        leading = original[at : at + 1 + (int(following[0]) if len(following) else REORDERED)]
        shift = end - int(leading.min())
        times[at:] = original[at:] + shift
        start = at
        joins.append(end)
    return joins


def _set_apart(times: Times) -> None:
    """Move, in place, times that are the same apart by one unit: frames are told apart by their times."""
    order = np.argsort(times, kind="stable")
    places = np.arange(len(times))
    times[order] = np.maximum.accumulate(times[order] - places) + places


def _steps_back(times: Times, key: NDArray[np.bool_]) -> list[int]:
    """Return where the clock may have been set back: few places at most, in ascending order."""
    low, high = times.copy(), times.copy()
    low[0], high[0] = times[0], times[0] - 1
    low[1:], high[1:] = times[:-1], times[:-1]
    for back in range(2, REORDERED + 2):
        if back >= len(times):
            break
        low[back:] = np.minimum(low[back:], times[:-back])
        high[back:] = np.maximum(high[back:], times[:-back])
    return [int(at) for at in np.flatnonzero((key & (times <= high)) | (times < low))]
