"""The class balance as a Plotly figure, and what distribution it could come from, in words."""

from collections.abc import Sequence

import plotly.graph_objects as go

from framesense.schemas.photo_sets import DistributionName, GoodnessOfFit, LabelCount

LABELS_SHOWN = 40
BAR = 24
"""Pixels."""
NAMES = {DistributionName.EXPONENTIAL: "an exponential", DistributionName.LOG_NORMAL: "a log-normal"}


def balance_figure(labels: Sequence[LabelCount], colour: str) -> go.Figure:
    """Draw a bar for each of the most frequent labels. ``labels``: the most frequent first."""
    shown = labels[:LABELS_SHOWN]
    figure = go.Figure(
        go.Bar(
            x=[count.photos for count in shown],
            y=[count.label for count in shown],
            orientation="h",
            text=[count.photos for count in shown],
            marker={"color": colour},
            textposition="outside",
            cliponaxis=False,
            customdata=[[count.share, count.mean_cosine] for count in shown],
            hovertemplate="%{y}: %{x} photos (%{customdata[0]:.0%}), mean cosine %{customdata[1]:.2f}<extra></extra>",
        )
    )
    figure.update_layout(
        height=BAR * len(shown) + 60,
        margin={"l": 8, "r": 32, "t": 8, "b": 32},
        xaxis={"title": "photos", "fixedrange": True},
        yaxis={"autorange": "reversed", "type": "category", "fixedrange": True},
        showlegend=False,
    )
    return figure


def fits_in_words(fits: Sequence[GoodnessOfFit]) -> list[str]:
    """Write a line for each test, as Markdown."""
    return [_in_words(fit) for fit in fits]


def _in_words(fit: GoodnessOfFit) -> str:
    verdict = "is ruled out" if fit.rejected else "is possible"
    return (
        f"That the counts come from **{NAMES[fit.distribution]} distribution** {verdict} "
        f"(Kolmogorov-Smirnov D = {fit.statistic:.2f}, p = {fit.p_value:.2g})."
    )
