"""Refuse query parameters and form fields that a route does not declare: what would have no effect is an error.

A route's names are those of its description in OpenAPI, so what is documented is what is taken. Routers whose clients
rely on leniency say so with :func:`ignore_unknown_names`.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.routing import compile_path

from framesense.http.problems import ProblemError

HARMLESS = frozenset({"_"})
"""Query parameters that mean nothing anywhere: by this one, scripts keep a browser from answering from its cache."""
MOST_TOLD = 10
"""Unknown names that one answer tells."""
_PLACE = re.compile(r"\{[^}]*\}")
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


async def ignore_unknown_names() -> None:
    """Mark a route or a router, as one of its dependencies, as one that ignores what it does not know."""


async def refuse_unknown_query(request: Request) -> None:
    """Check the query of a request; a dependency of every route.

    Raises RequestValidationError for parameters that its route does not declare.
    """
    if request.query_params and not _is_lenient(request):
        _refuse_unknown(request, "query", request.query_params.keys(), DeclaredNames.of(request).query | HARMLESS)


def refuse_unknown_fields(
    request: Request, names: Iterable[str], *, files: Sequence[str] = (), known: Collection[str] = ()
) -> None:
    """Check the fields of a form.

    ``files``: fields in which a file came that is not taken; ``known``: those in which files are taken, whether the
    route declares them or not.

    Raises RequestValidationError for fields that there are not, ProblemError 422 for a file where text belongs.
    """
    if _is_lenient(request):
        return
    declared = DeclaredNames.of(request).fields | set(known)
    _refuse_unknown(request, "body", files, declared, {"file_fields": ", ".join(known)})
    _refuse_unknown(request, "body", names, declared)
    if files:
        detail = f"The field {files[0]!r} takes text, not a file: curl -F '{files[0]}=<FILE' sends what a file holds."
        raise ProblemError(422, "not-a-text", "Not a text", detail)


@dataclass(frozen=True)
class DeclaredNames:
    """The names that a route takes in its query, and as the fields of its form or its JSON document."""

    query: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    is_form: bool = False

    @classmethod
    def of(cls, request: Request) -> Self:
        """Read them from the application's description of the route that a request has matched."""
        route = request.scope.get("route")
        if not isinstance(route, APIRoute):
            return cls()
        document = request.app.openapi()
        operation = document["paths"].get(route.path_format, {}).get(request.method.lower(), {})
        content = operation.get("requestBody", {}).get("content", {})
        return cls(
            frozenset(one["name"] for one in operation.get("parameters", []) if one["in"] == "query"),
            frozenset().union(*(_properties(body.get("schema", {}), document) for body in content.values())),
            any(form in content for form in _FORMS),
        )

    def describe_unknown(self, name: str, place: str, *, file_fields: str = "") -> str:
        """Say that there is no such name in the ``query`` or the ``body``, and which one may have been meant.

        ``file_fields``: of a file, the fields in which files are taken.
        """
        if file_fields:
            return f"There is no such field for a file; files are taken as {file_fields}"
        here, elsewhere = (self.query, self.fields) if place == "query" else (self.fields, self.query)
        if name in elsewhere:
            return f"There is no such parameter here; {name!r} {self._right_place(name, place)}"
        near = difflib.get_close_matches(name, here, n=1) or difflib.get_close_matches(name, elsewhere, n=1)
        if near and near[0] in here:
            return f"There is no such parameter; perhaps {near[0]!r} is meant"
        if near:
            right = self._right_place(near[0], place)
            return f"There is no such parameter; perhaps {near[0]!r} is meant, which {right}"
        told = f"; there are: {', '.join(sorted(here))}" if here and place == "query" else ""
        return f"There is no such parameter{told}"

    def _right_place(self, name: str, place: str) -> str:
        if place != "query":
            return f"belongs into the query, ?{name}=…"
        return "is a field of the form" if self.is_form else "belongs into the JSON document"


def declared_methods(request: Request) -> str:
    """Return all methods of a request's path, as Allow names them; empty for none.

    The framework knows those of one route alone. Of several templates that fit, the path's is that with most letters of
    its own.
    """
    paths = request.app.openapi()["paths"]
    fitting = [template for template in paths if compile_path(template)[0].match(request.url.path)]
    template = max(fitting, key=lambda template: len(_PLACE.sub("", template)), default="")
    named = {method.upper() for method in paths.get(template, {})}
    return ", ".join(sorted(named | {"HEAD"} if "GET" in named else named))


def _is_lenient(request: Request) -> bool:
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return True
    return any(dependency.call is ignore_unknown_names for dependency in route.dependant.dependencies)


def _refuse_unknown(
    request: Request, place: str, names: Iterable[str], known: Collection[str], context: Mapping[str, str] | None = None
) -> None:
    unknown = [name for name in dict.fromkeys(names) if name not in known]
    if unknown:
        raise RequestValidationError(
            [
                {"type": "extra_forbidden", "loc": (place, name), "msg": "", "ctx": context or {}}
                for name in unknown[:MOST_TOLD]
            ]
        )


def _properties(schema: dict[str, Any], document: dict[str, Any], seen: frozenset[str] = frozenset()) -> set[str]:
    """Return the names of a schema's properties, and of those within them."""
    reference = schema.get("$ref", "").rsplit("/", 1)[-1]
    if reference:
        found = document.get("components", {}).get("schemas", {}).get(reference, {})
        return set() if reference in seen else _properties(found, document, seen | {reference})
    names: set[str] = set()
    for name, one in schema.get("properties", {}).items():
        names |= {name, *_properties(one, document, seen)}
    parts = [one for combination in ("anyOf", "allOf", "oneOf") for one in schema.get(combination, [])]
    for one in [*parts, schema["items"]] if "items" in schema else parts:
        names |= _properties(one, document, seen)
    return names
