"""The confusion matrix as a Plotly figure. The page's theme colours it."""

import plotly.graph_objects as go

from framesense.schemas.classifiers import EvaluationResponse

CELL = 44
"""Pixels."""
STRONG = 0.5
"""A share above this has a strong colour."""


def confusion_figure(answer: EvaluationResponse, *, on_pale: str, on_strong: str) -> go.Figure:
    """Draw a row for what photos are, a column for what they were taken for; coloured by the row's shares.

    ``on_pale``, ``on_strong``: colours of the numbers, on cells of small and of large shares.
    """
    shares = [[count / max(1, sum(row)) for count in row] for row in answer.confusion]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=answer.labels,
            y=answer.labels,
            text=answer.confusion,
            hovertemplate="%{y} taken for %{x}: %{text} (%{z:.0%})<extra></extra>",
            zmin=0,
            zmax=1,
            xgap=2,
            ygap=2,
            showscale=False,
        )
    )
    cells = [(row, column) for row in range(len(shares)) for column in range(len(shares))]
    figure.add_scatter(
        x=[answer.labels[column] for _, column in cells],
        y=[answer.labels[row] for row, _ in cells],
        text=[answer.confusion[row][column] for row, column in cells],
        mode="text",
        textfont={"color": [on_strong if shares[row][column] > STRONG else on_pale for row, column in cells]},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_layout(
        height=CELL * len(answer.labels) + 130,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"title": "taken for", "side": "top", "type": "category", "fixedrange": True, "showgrid": False},
        yaxis={"title": "is", "autorange": "reversed", "type": "category", "fixedrange": True, "showgrid": False},
    )
    return figure
