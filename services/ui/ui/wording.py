"""Numbers and texts as people read them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from framesense.schemas.models import ModelPhase, ModelState
from framesense.schemas.novelty import Interval, VideoPlan
from framesense.wording import counted

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^&])")


def clock(seconds: float, digits: int = 0) -> str:
    """Write a place in a video: ``1:05``, or ``1:02:05`` from an hour on. Whole seconds are those that have
    passed, as players count; ``digits`` of a second's fraction are rounded.
    """
    units = 10**digits
    whole, fraction = divmod(max(0, round(seconds * units) if digits else int(seconds)), units)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{text}.{fraction:0{digits}}" if digits else text


def clock_digits(times: Sequence[float]) -> int:
    """Return how many digits of a second's fraction tell these times apart: 0 where they lie two seconds apart, to 3.

    Times less than a second apart need more than the seconds; those one apart look uneven without: 0:00, 0:00, 0:02.
    """
    gap = min((after - before for before, after in pairwise(times) if after > before), default=2.0)
    return next((digits for digits, least in enumerate((2.0, 0.2, 0.02)) if gap >= least - 1e-6), 3)


def span(seconds: float) -> str:
    """Write how long something takes, roughly: ``under 5 s``, ``40 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 5:
        return "under 5 s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """Write bytes in decimal units: ``412 kB``, ``1.3 GB``."""
    value, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "bytes" or value >= 100 else f"{value:.3g} {units[0]}"


def interval_text(interval: Interval) -> str:
    """Say how often a frame is taken: ``every 2 seconds``, or that the length of the video will decide."""
    return "as often as its length allows" if interval == "auto" else f"every {counted(interval, 'second')}"


def variety_text(diversity: float) -> str:
    """Say how much pictures differ: ``as varied as 2.3 different pictures``; ``diversity``: their Vendi score, ≥ 1."""
    rounded = round(diversity, 1)
    return f"as varied as {rounded:g} different pictures" if rounded > 1 else "all of them alike"


def plan_text(plan: VideoPlan) -> str:
    """Say what an analysis takes: ``About 160 frames, one every 0.25 s: 15 s of work, …``.

    Empty where the file does not say enough.
    """
    if plan.refused:
        return plan.refused
    if plan.frames is None or plan.every_n_second is None:
        return ""
    frames = counted(plan.frames, "frame")
    if plan.frames > 1:
        frames = f"About {frames}, one every {plan.every_n_second:g} s"
    return f"{frames}." if plan.seconds is None else f"{frames}: {span(plan.seconds)} of work, as things went lately."


def ago(moment: datetime, now: datetime | None = None) -> str:
    """Write how long ago a moment was: ``just now``, ``5 min ago``, ``3 h ago``, then the date."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    return f"{int(seconds // 3600)} h ago" if seconds < 86400 else f"{moment:%d %b %Y}"


def percent(probability: float) -> str:
    """Write a probability: ``93 %``, ``0.4 %``, ``< 0.1 %``."""
    value = 100 * probability
    if value < 0.1:
        return "< 0.1 %"
    return f"{value:.1f} %" if value < 1 else f"{value:.0f} %"


def signed_percent(change: float) -> str:
    """Write the change of a share, in percentage points: ``+46``, ``−3``, ``0``."""
    points = round(100 * change)
    return f"+{points}" if points > 0 else f"−{-points}" if points < 0 else "0"


def signed_points(change: float) -> str:
    """Write the change of a share as words: ``+46 points``, ``−1 point``."""
    return f"{signed_percent(change)} {'point' if abs(round(100 * change)) == 1 else 'points'}"


def words_in(text: str) -> list[str]:
    """Split a list that somebody wrote, each word once: one a line, or with commas where there is only one line."""
    parts = text.strip().splitlines() if "\n" in text.strip() else text.split(",")
    return list(dict.fromkeys(" ".join(part.split()) for part in parts if part.strip()))


def lines_in(text: str) -> list[str]:
    """Split a text into its lines, each once; commas are part of them."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def model_state(state: ModelState) -> str:
    """Say where a model is: ``in memory (96 MB), idle since 3 min ago``, ``not in memory: …``."""
    if state.switching_to:
        return f"switching to {state.switching_to}"
    if state.state is ModelPhase.LOADING:
        return "being loaded"
    if state.state is ModelPhase.FAILED:
        return "could not be loaded"
    if state.state is ModelPhase.UNLOADED:
        return "not in memory: the next request loads it"
    taken = f" ({size(state.memory_bytes)})" if state.memory_bytes else ""
    return f"in memory{taken}, " + (f"last used {ago(state.idle_since)}" if state.idle_since else "at work")


def plain(text: str) -> str:
    """Escape a text so that Markdown shows it as it is: file names and captions are not formatting."""
    return _MARKDOWN.sub(r"\\\1", text)
