"""The one exception that becomes a problem document. Subjects raise it; :mod:`framesense.http.app` answers it."""

import errno
from collections.abc import Mapping

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from framesense.http.texts import encodable
from framesense.schemas.problems import MEDIA_TYPE, Problem

_PREFIX = "urn:framesense:problem:"

MODEL_LOADING = "model-loading"
"""The kind of problem by which clients know that a model server is there, but loads its model."""


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where nothing more can be written: the disk, the quota or the file is full."""


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

    @classmethod
    def of(cls, problem: Problem, *, headers: Mapping[str, str] | None = None) -> "ProblemError":
        """Return the error that another service's problem document tells."""
        slug = problem.type.removeprefix(_PREFIX)
        return cls(problem.status, slug, problem.title, problem.detail, headers=headers)

    def document(self, request_id: str | None = None) -> Problem:
        return Problem(
            type=_PREFIX + self.slug,
            title=self.title,
            status=self.status,
            detail=encodable(self.detail),
            request_id=request_id,
        )


def model_loading(detail: str) -> ProblemError:
    """Return the 503 of a model server that has no model yet."""
    return ProblemError(503, MODEL_LOADING, "Model loading", detail, headers={"Retry-After": "2"})


def problem_response(
    request: HTTPConnection, problem: Problem, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Answer with a problem document, with this request's id."""
    document = problem.model_copy(update={"request_id": getattr(request.state, "request_id", None)})
    body = document.model_dump(mode="json", exclude_none=True)
    return JSONResponse(body, document.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def storage_full(detail: str = "The server has no room for this. Nothing of it was kept.") -> ProblemError:
    """Return the 507 of a disk that is full."""
    what_to_do = "Delete jobs that you no longer need, or tell who runs this service."
    return ProblemError(507, "storage-full", "Storage full", f"{detail} {what_to_do}")
