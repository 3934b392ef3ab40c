"""Choose between the forms that one answer can have, by what the client accepts (RFC 9110, 12.5.1)."""

from collections.abc import Sequence

from fastapi import Request

TEXT, HTML, JSON = "text/plain", "text/html", "application/json"


def preferred_type(request: Request, offered: Sequence[str]) -> str:
    """Return the media type that the request's ``Accept`` weighs most: the first one among equals, and for none at all.

    Browsers name text/html; programs send ``*/*`` or nothing, and get what is offered first.
    """
    ranges = [_media_range(part) for part in ",".join(request.headers.getlist("accept")).split(",")]
    return max(offered, key=lambda media_type: _weight(media_type, ranges))


def _media_range(text: str) -> tuple[str, float]:
    """Read ``text/html;q=0.9``; a weight that is no number counts as nothing."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    weights = [parameter.removeprefix("q=") for parameter in parameters if parameter.startswith("q=")]
    try:
        weight = float(weights[0]) if weights else 1.0
    except ValueError:
        weight = 0.0
    return name, weight if 0.0 <= weight <= 1.0 else 0.0


def _weight(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return the weight of the most specific range that holds the media type; 0 for none."""
    given = dict(ranges)
    for name in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if name in given:
            return given[name]
    return 0.0
