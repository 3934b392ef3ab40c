"""Describe who may call what: how a key is sent, the scope that each route needs, and what is answered without it."""

from functools import partial
from typing import Any

from fastapi import FastAPI

from framesense.schemas.access import SESSION_COOKIE
from framesense.schemas.problems import problem_responses
from gateway.access.rules import AccessRules

SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, as `framesense keys add` shows it once."},
    "basic": {"type": "http", "scheme": "basic", "description": "Any user name, and a key as the password."},
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "Set by `POST /session`."},
}


def describe_access(app: FastAPI, *, required: bool) -> None:
    """Have an application's OpenAPI document tell the scopes of its routes.

    ``required``: whether keys are; without them everything may be called, which an empty requirement says.
    """
    app.openapi = partial(_document, app.openapi, AccessRules(), [] if required else [{}])  # type: ignore[method-assign]


def _document(original: Any, rules: AccessRules, otherwise: list[dict[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = original()
    components = document.setdefault("components", {})
    if "securitySchemes" in components:  # the framework keeps the document that it made
        return document
    components["securitySchemes"] = SCHEMES
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            scope = rules.required(method.upper(), path)
            operation["security"] = [*({name: [scope.value]} for name in SCHEMES), *otherwise] if scope else []
            if scope:
                refusals = problem_responses(401, 403, 429)
                operation["responses"] = {
                    **{str(status): told for status, told in refusals.items()},
                    **operation["responses"],
                }
    return document
