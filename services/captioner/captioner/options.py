"""``return=embeddings,attention`` → what to return."""

from collections.abc import Iterable

from framesense.http.problems import ProblemError
from framesense.schemas.captions import CaptionExtra


def parse_extras(values: Iterable[str]) -> frozenset[CaptionExtra]:
    """Read extras: comma-separated, repeated or both. Raises ProblemError 422 for an unknown one."""
    names = {name.strip() for value in values for name in value.split(",")} - {""}
    if unknown := sorted(names - set(CaptionExtra)):
        detail = f"return: {', '.join(unknown)} cannot be returned; {', '.join(CaptionExtra)} can."
        raise ProblemError(422, "invalid-request", "Invalid request", detail)
    return frozenset(CaptionExtra(name) for name in names)
