"""The novelty curve as a Plotly figure. Colours are left to whoever shows it: the page has a light and a dark theme."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

import plotly.graph_objects as go

from framesense.schemas.novelty import Frame, Moment, NoveltyCurve, Signal
from framesense.schemas.references import TimeRange

NOTHING = 1e-3
"""Novelty below which a curve is drawn flat: filling the graph with it would show rounding as events."""
MARKERS_UP_TO = 300
"""Frames; a denser curve is drawn as a line only."""


def novelty_figure(
    frames: Sequence[Frame],
    curve: NoveltyCurve,
    found: Sequence[int] = (),
    fit: Sequence[float] = (),
    holes: Sequence[TimeRange] = (),
) -> go.Figure:
    """Draw the curve over time, its moments shaded, the frames with indices ``found`` (by a search) marked.

    ``holes``: where the video has no frames; the curve is covered there.

    ``frames``: one or more; ``curve`` has a value for each, and so has ``fit``: how well each fits what was searched
    for, drawn over the curve on an axis of its own.

    Where the first frame has nothing before it to be compared with, the curve begins with the second one: the zero that
    stands for the first would look like an event.

    The times are those of a video from midnight of 1 January 1970 on: Plotly labels dates as a clock at every zoom.
    """
    times = [_date(frame.time) for frame in frames]
    mode = "lines+markers" if len(times) <= MARKERS_UP_TO else "lines"
    figure = go.Figure(go.Scatter(x=times, y=measured(curve), mode=mode, name="novelty"))
    found_at, found_novelty = [times[i] for i in found], [curve.novelty[i] for i in found]
    figure.add_scatter(x=found_at, y=found_novelty, mode="markers", name="found")
    if fit:
        figure.add_scatter(x=times, y=list(fit), mode="lines", name="fit", yaxis="y2")
        figure.update_layout(yaxis2=_fit_axis())
    half_step = _step(frames) / 2
    for hole in holes:
        figure.add_shape(**_cover(hole))
    for moment in curve.moments:
        figure.add_shape(**_shade(moment, half_step))
    figure.update_layout(
        template=None,
        showlegend=False,
        hovermode=False,  # the page has a pointer of its own
        dragmode="zoom",
        margin={"l": 56, "r": 56 if fit else 12, "t": 8, "b": 48},
        xaxis={
            "type": "date",
            "title": {"text": "Time in the video"},
            "range": [_date(max(0.0, frames[0].time - half_step)), _date(frames[-1].time + half_step)],
            "minallowed": _date(0.0),  # zooming out would show times before the video begins
            "tickformat": _clock_format(frames),
            "tickformatstops": _closer_formats(_clock_format(frames)),
            "showgrid": False,
            "zeroline": False,
        },
        yaxis={
            "title": {"text": "Novelty"},
            "rangemode": "tozero",
            "fixedrange": True,
            "zeroline": False,
            "nticks": 5,
        },
    )
    if max(curve.novelty) < NOTHING:
        figure.update_layout(yaxis={"range": [0, 1]})
    return figure


def measured(curve: NoveltyCurve) -> list[float | None]:
    """Return the values of a curve; None for a first frame that nothing was compared with, for which it has a zero."""
    parameters = curve.parameters
    compared = parameters.signal is Signal.AUTO or parameters.reference is not None
    return list(curve.novelty) if compared else [None, *curve.novelty[1:]]


def _fit_axis() -> dict[str, object]:
    return {
        "title": {"text": "Fit"},
        "overlaying": "y",
        "side": "right",
        "showline": True,
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "tickmode": "auto",  # of its own; Plotly would put them at the left axis's places
        "nticks": 5,
    }


def _shade(moment: Moment, half_step: float) -> dict[str, object]:
    """Draw a rectangle over a moment; half a step is added on either side so that a single frame has a width too."""
    return {
        "type": "rect",
        "name": f"{moment.strength} moment",
        "xref": "x",
        "yref": "paper",
        "x0": _date(max(0.0, moment.start - half_step)),
        "x1": _date(moment.end + half_step),
        "y0": 0,
        "y1": 1,
        "line": {"width": 0},
        "layer": "below",
    }


def _cover(hole: TimeRange) -> dict[str, object]:
    """Draw a rectangle that hides the curve: a point left out of it would move those that follow to other frames."""
    return {
        "type": "rect",
        "name": "hole",
        "xref": "x",
        "yref": "paper",
        "x0": _date(hole.start),
        "x1": _date(hole.end),
        "y0": 0,
        "y1": 1,
        "line": {"width": 0},
        "layer": "above",
        "label": {"text": "no frames"},
    }


def _date(seconds: float) -> str:
    return (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def _step(frames: Sequence[Frame]) -> float:
    """Return the seconds from frame to frame."""
    gaps = [after.time - before.time for before, after in pairwise(frames)]
    return median(gaps) if gaps else 1.0


def _clock_format(frames: Sequence[Frame]) -> str:
    return "%-H:%M:%S" if frames[-1].time >= 3600 else "%-M:%S"


def _closer_formats(clock: str) -> list[dict[str, object]]:
    """Return the formats of ticks less than a second apart, which zooming in or a dense curve makes (milliseconds)."""
    return [
        {"dtickrange": [None, 9], "value": f"{clock}.%3f"},
        {"dtickrange": [10, 99], "value": f"{clock}.%2f"},
        {"dtickrange": [100, 999], "value": f"{clock}.%1f"},
    ]
