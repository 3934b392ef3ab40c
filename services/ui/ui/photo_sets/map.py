"""The 2-D map as a Plotly figure. Colours are left to whoever shows it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum

import plotly.graph_objects as go

from framesense.schemas.photo_sets import ClusterMethod, Photo

COLOURS = 8
"""The page's theme has so many; what is rarer is drawn as *other*."""


class Colouring(StrEnum):
    TAG = "best tag"
    GROUP = "group"
    KMEANS = "k-means"
    KMODES = "k-modes"
    HDBSCAN = "HDBSCAN"


METHODS = {
    Colouring.KMEANS: ClusterMethod.KMEANS,
    Colouring.KMODES: ClusterMethod.KMODES,
    Colouring.HDBSCAN: ClusterMethod.HDBSCAN,
}


def colourings(photos: Sequence[Photo]) -> Iterator[Colouring]:
    """Yield the colourings that tell the photos apart somehow."""
    yield Colouring.TAG
    for colouring in list(Colouring)[1:]:
        if len({_kind(photo, colouring) for photo in photos}) > 1:
            yield colouring


def map_figure(photos: Sequence[Photo], colouring: Colouring) -> go.Figure:
    """Draw a trace for each of the most frequent kinds, by their names, and one for the others.

    ``customdata`` holds the photos' indices.
    """
    placed = [(index, photo) for index, photo in enumerate(photos) if photo.x is not None and photo.y is not None]
    kinds = Counter(_kind(photo, colouring) for _, photo in placed)
    named = [kind for kind, _ in kinds.most_common(COLOURS if len(kinds) <= COLOURS else COLOURS - 1)]
    figure = go.Figure()
    for kind in [*sorted(named, key=_place), *(["other"] if len(kinds) > len(named) else [])]:
        members = [(index, photo) for index, photo in placed if _shown(photo, colouring, named) == kind]
        figure.add_scatter(
            x=[photo.x for _, photo in members],
            y=[photo.y for _, photo in members],
            customdata=[index for index, _ in members],
            mode="markers",
            name=kind,
            hoverinfo="none",
        )
    axis = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_layout(
        template=None,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
        dragmode="pan",
        xaxis=axis,
        yaxis=axis,
        legend={"orientation": "h", "yanchor": "top", "y": -0.02, "x": 0, "traceorder": "normal"},
        showlegend=True,
    )
    return figure


def _place(kind: str) -> tuple[bool, list[tuple[int, str]]]:
    """Return where a kind stands in the legend: by the alphabet, numbers by size, "none" at the end."""
    parts = re.split(r"(\d+)", kind.casefold())
    return kind == "none", [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _shown(photo: Photo, colouring: Colouring, named: Sequence[str]) -> str:
    kind = _kind(photo, colouring)
    return kind if kind in named else "other"


def _kind(photo: Photo, colouring: Colouring) -> str:
    if colouring is Colouring.TAG:
        return photo.tags[0].label if photo.tags else "none"
    if colouring is Colouring.GROUP:
        return photo.group or "none"
    cluster = photo.clusters.get(METHODS[colouring], -1)
    return "none" if cluster < 0 else f"cluster {cluster + 1}"
