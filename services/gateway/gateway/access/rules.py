"""Which scope each route needs: the one table of it.

``read`` answers what is one's own, ``submit`` starts, sends and deletes it, ``admin`` changes or shows what concerns
everybody. A route that is not in the table is an admin's alone.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from starlette.routing import compile_path

from framesense.schemas.access import Scope

Rule = Scope | Literal["open"]

OPEN: Sequence[str] = (
    "GET /",
    "GET /health",
    "GET /ready",
    "GET /docs",
    "GET /docs/oauth2-redirect",
    "GET /redoc",
    "GET /openapi.json",
    "GET /static-offline-docs/{path:path}",
    "GET /session",
    "POST /session",
    "DELETE /session",
)
"""Routes for everybody, who has no key yet either."""

SCOPES: Mapping[Scope, Sequence[str]] = {
    Scope.READ: (
        "GET /jobs",
        "GET /jobs/{job_id}",
        "GET /jobs/{job_id}/{part:path}",
        "GET /video_captions/plan",
        "GET /edits/capabilities",
        "GET /references",
        "GET /references/{name}",
        "GET /label-sets",
        "GET /label-sets/{name}",
        "GET /classifiers",
        "GET /classifiers/{name}",
        "GET /classifiers/{name}/head",
        "GET /models",
        "GET /get_captions",
        "OPTIONS /uploads",
        "GET /sdapi/v1/{part:path}",
        "POST /internal/progress",
    ),
    Scope.SUBMIT: (
        "POST /caption",
        "POST /tags",
        "POST /similarity",
        "POST /video_captions",
        "POST /photo-sets",
        "POST /datasets",
        "POST /edits",
        "POST /edits/series",
        "DELETE /jobs/{job_id}",
        "POST /references",
        "DELETE /references/{name}",
        "POST /label-sets",
        "PUT /label-sets/{name}",
        "DELETE /label-sets/{name}",
        "POST /classifiers",
        "POST /classifiers/upload",
        "POST /classifiers/{name}/{part:path}",
        "DELETE /classifiers/{name}",
        "POST /uploads",
        "HEAD /uploads/{upload_id}",
        "PATCH /uploads/{upload_id}",
        "DELETE /uploads/{upload_id}",
        "POST /sdapi/v1/{part:path}",
        "POST /get_image_caption",
        "POST /get_video_captions",
        "POST /get_captions",
    ),
    Scope.ADMIN: (
        "GET /metrics",
        "PUT /models/{service}",
    ),
}


class AccessRules:
    """Find the rule of a request."""

    def __init__(self) -> None:
        rows: list[tuple[str, Rule]] = [(row, "open") for row in OPEN]
        rows += [(row, scope) for scope, routes in SCOPES.items() for row in routes]
        self._rules = [(*_compiled(row), rule) for row, rule in rows]

    def find(self, method: str, path: str) -> Rule | None:
        """Return the rule of a method and a path, or None where there is none."""
        matching = (rule for known, pattern, rule in self._rules if known == method and pattern.match(path))
        return next(matching, None)

    def required(self, method: str, path: str) -> Scope | None:
        """Return the scope that a request needs, or None where it needs none.

        HEAD needs what GET needs, where it has no rule of its own; a path with a slash at its end, which is sent on to
        the one without, what that one needs.
        """
        path = path.rstrip("/") or "/"
        rule = self.find(method, path) or (self.find("GET", path) if method == "HEAD" else None)
        return None if rule == "open" else Scope(rule or Scope.ADMIN)


def _compiled(row: str) -> tuple[str, re.Pattern[str]]:
    method, path = row.split(" ", 1)
    return method, compile_path(path)[0]
