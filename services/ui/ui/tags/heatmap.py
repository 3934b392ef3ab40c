"""Photos × words as a Plotly figure: the pictures on one side, the words on the other. The page's theme colours it."""

from collections.abc import Sequence
from enum import StrEnum

import plotly.graph_objects as go
from PIL import Image

from framesense.schemas.tags import TagsResponse
from ui.thumbnails import data_url

ROW_HEIGHT, PICTURE_WIDTH = 56, 76
"""Pixels."""
NUMBERS_UP_TO = 15
"""Words; more leave no room for a number in each cell."""


class Value(StrEnum):
    COSINE = "cosine"
    PROBABILITY = "probability"


def similarity_figure(answer: TagsResponse, pictures: Sequence[Image.Image | None], value: Value) -> go.Figure:
    """Draw how well each word fits each picture.

    ``answer`` with all scores; ``pictures``: one an image, None for what cannot be shown.
    """
    values = [[getattr(tag, value) for tag in image.scores or []] for image in answer.images]
    places = list(range(len(values)))
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=answer.labels,
            y=places,
            customdata=[[image.image] * len(answer.labels) for image in answer.images],
            hovertemplate=f"%{{customdata}}<br>%{{x}}: {value} %{{z:.3f}}<extra></extra>",
            texttemplate="%{z:.2f}" if len(answer.labels) <= NUMBERS_UP_TO else None,
            xgap=2,
            ygap=2,
            showscale=False,
        )
    )
    for place, picture in zip(places, pictures, strict=True):
        if picture:
            figure.add_layout_image(
                source=data_url(picture),
                xref="paper",
                yref="y",
                x=-0.005,
                y=place,
                xanchor="right",
                yanchor="middle",
                sizex=1,
                sizey=0.92,
                sizing="contain",
                layer="above",
            )
    figure.update_layout(
        height=ROW_HEIGHT * len(values) + 110,
        margin={"l": PICTURE_WIDTH, "r": 8, "t": 100, "b": 8},
        xaxis={"side": "top", "type": "category", "tickangle": -40, "fixedrange": True, "showgrid": False},
        yaxis={
            "autorange": "reversed",
            "showticklabels": False,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
    )
    return figure
