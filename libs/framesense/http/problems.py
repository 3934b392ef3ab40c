"""The one exception that becomes a problem document. Subjects raise it; :mod:`framesense.http.app` answers it."""

from collections.abc import Mapping

from framesense.http.texts import encodable
from framesense.schemas.problems import Problem


class ProblemError(Exception):
    """Something the caller should be told, with the HTTP status it is told under.

    ``slug`` names the kind of problem for programs, ``title`` for people; ``detail`` says what happened this time
    and what to do about it.
    """

    def __init__(
        self, status: int, slug: str, title: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.slug, self.title, self.detail = status, slug, title, detail
        self.headers = dict(headers or {})

    def document(self, request_id: str | None = None) -> Problem:
        return Problem(
            type=f"urn:framesense:problem:{self.slug}",
            title=self.title,
            status=self.status,
            detail=encodable(self.detail),
            request_id=request_id,
        )
