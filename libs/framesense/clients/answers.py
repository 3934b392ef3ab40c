"""Read what another service answered: its content, or its problem."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import responses

import httpx
from pydantic import ValidationError

from framesense.http.problems import ProblemError
from framesense.schemas.problems import Problem

PASSED_ON = ("Retry-After", "Content-Disposition")
"""Headers of an answer that are for whoever asked."""


@dataclass(frozen=True)
class Answer:
    """Another service's answer, which can be read here or passed through as it is."""

    status: int
    body: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those worth passing on."""

    @classmethod
    def of(cls, response: httpx.Response) -> "Answer":
        """Take what matters of a response whose body has been read."""
        kept = {name: response.headers[name] for name in PASSED_ON if name in response.headers}
        return cls(response.status_code, response.content, response.headers.get("content-type", ""), kept)

    @property
    def problem(self) -> ProblemError:
        """The problem document, or one made of what came instead."""
        try:
            problem = Problem.model_validate_json(self.body)
        except ValidationError:
            title, detail = responses.get(self.status, "Error"), self.body[:200].decode("utf-8", "replace")
            problem = Problem(title=title, status=self.status, detail=detail)
        kept = {name: value for name, value in self.headers.items() if name == "Retry-After"}
        return ProblemError.of(problem, headers=kept)

    @property
    def retry_after(self) -> float | None:
        """Seconds that the service asks to wait; the form with a date is not used between our own services."""
        try:
            seconds = float(self.headers["Retry-After"])
        except (KeyError, ValueError):
            return None
        return seconds if math.isfinite(seconds) and seconds >= 0 else None

    def content(self) -> bytes:
        """Return the body. Raises ProblemError for what the service refused, with its own words."""
        if self.status >= 400:
            raise self.problem
        return self.body
