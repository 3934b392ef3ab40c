"""A novelty curve as a picture, as a page, and in the terminal."""

import io
import textwrap
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image
from rich.table import Table
from rich.text import Text

from framesense.schemas.captions import DEFAULT_GUESS_BELOW, hedged, words_or_caption
from framesense.schemas.novelty import Frame, Moment, VideoResult

Thumbnail = Callable[[Frame | Moment], bytes]
"""Fetches the JPEG of a frame or of a moment's peak."""

CURVE, ODD = "#2563eb", "#dc2626"
EIGHTHS = " ▁▂▃▄▅▆▇█"


def clock(seconds: float) -> str:
    """Write seconds as a clock does: 90.5 as 1:30."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def curve(result: VideoResult, width: int = 72, height: int = 8) -> Text:
    """Draw the curve in block characters, a column a frame (or the highest of several), the odd moments in red."""
    frames = result.frames
    columns = min(width, len(frames))
    groups = [frames[i * len(frames) // columns : (i + 1) * len(frames) // columns] for i in range(columns)]
    highest = max(frame.novelty for frame in frames) or 1.0
    heights = [round(8 * height * max(frame.novelty for frame in group) / highest) for group in groups]
    odd = [
        any(moment.start <= frame.time <= moment.end for moment in result.moments for frame in group)
        for group in groups
    ]
    drawn = Text()
    for row in reversed(range(height)):
        drawn.append(f"{highest * (row + 1) / height:6.2f} ", style="dim")
        for eighths, is_odd in zip(heights, odd, strict=True):
            drawn.append(EIGHTHS[min(8, max(0, eighths - 8 * row))], style="red" if is_odd else "blue")
        drawn.append("\n")
    first, last = clock(frames[0].time), clock(frames[-1].time)
    drawn.append(" " * 7 + first + last.rjust(max(0, columns - len(first))), style="dim")
    return drawn


def _said(moment: Moment) -> str:
    return words_or_caption(moment.caption, moment.confidence, DEFAULT_GUESS_BELOW, moment.words, moment.colours)


def _hedged(frame: Frame) -> str:
    return hedged(frame.caption, frame.confidence, DEFAULT_GUESS_BELOW, frame.words)


def moments_table(result: VideoResult) -> Table:
    rows = Table(title="Odd moments", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("from", "to", "score"):
        rows.add_column(name, justify="right")
    for name in ("strength", "what changed", "in words"):
        rows.add_column(name)
    for moment in result.moments:
        changes = ", ".join(f"{'+' if change.change > 0 else '−'} {change.word}" for change in moment.changes)
        times = clock(moment.start), clock(moment.end)
        rows.add_row(*times, f"{moment.score:.1f}", moment.strength, Text(changes), Text(_said(moment)))
    return rows


def save_picture(result: VideoResult, thumbnail: Thumbnail, path: Path) -> None:
    """Save a PNG: the curve, with the frames at its odd moments over it."""
    figure, axes = plt.subplots(figsize=(11, 5), dpi=130, layout="constrained")
    times = [frame.time for frame in result.frames]
    values = [frame.novelty for frame in result.frames]
    axes.plot(times, values, color=CURVE, linewidth=1.6, marker="o", markersize=3)
    axes.fill_between(times, values, color=CURVE, alpha=0.08)
    top = max(*values, 1e-9)
    for moment in result.moments:
        axes.axvspan(moment.start, moment.end, color=ODD, alpha=0.12)
        axes.plot(moment.peak, moment.novelty, "o", color=ODD)
        picture = OffsetImage(np.asarray(Image.open(io.BytesIO(thumbnail(moment)))), zoom=0.28)
        axes.add_artist(AnnotationBbox(picture, (moment.peak, top * 1.3), pad=0.2, bboxprops={"edgecolor": ODD}))
        axes.text(moment.peak, top * 1.53, textwrap.fill(_said(moment), 26), ha="center", va="bottom", fontsize=8)
    axes.set(
        xlabel="seconds",
        ylabel=_axis(result),
        title=_title(result),
        xlim=(times[0], max(times[-1], times[0] + 1)),
        ylim=(0, top * (1.75 if result.moments else 1.1)),
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)


def save_page(result: VideoResult, path: Path) -> None:
    """Save a page that needs nothing else, with the captions on hover."""
    peaks = {moment.peak_index for moment in result.moments}
    figure = go.Figure(
        go.Scatter(
            x=[frame.time for frame in result.frames],
            y=[frame.novelty for frame in result.frames],
            customdata=[[clock(frame.time), _hedged(frame)] for frame in result.frames],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>novelty %{y:.2f}<extra></extra>",
            mode="lines+markers",
            line={"color": CURVE},
            marker={"color": [ODD if frame.index in peaks else CURVE for frame in result.frames], "size": 7},
        )
    )
    for moment in result.moments:
        figure.add_vrect(x0=moment.start, x1=moment.end, fillcolor=ODD, opacity=0.12, line_width=0)
    figure.update_layout(
        title=_title(result), xaxis_title="seconds", yaxis_title=_axis(result), template="plotly_white"
    )
    figure.write_html(path, include_plotlyjs=True)


def _title(result: VideoResult) -> str:
    return f"{result.video.name}: a frame every {result.parameters.every_n_second:g} s"


def _axis(result: VideoResult) -> str:
    options = result.parameters
    return f"novelty ({options.metric}, {options.signal}, window {options.rolling_window_size})"
