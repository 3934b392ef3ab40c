"""Say in plain words what is wrong with the parameters of a request, all of it at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from framesense.http.declared_names import DeclaredNames
from framesense.http.problems import problem_response
from framesense.http.texts import encodable
from framesense.schemas.problems import Problem

_SHOWN = 60
"""Most letters of a wrong value that are repeated."""
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "decimal": "a number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "dict": "a JSON object",
    "model_attributes": "a JSON object",
    "model": "a JSON object",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


async def validation_problem(request: Request, error: Exception) -> Response:
    """Answer 422 with every fault of a request under ``faults``, and all of them in words in ``detail``."""
    assert isinstance(error, RequestValidationError)
    faults = _without_repetition(_fault(request, one) for one in error.errors())
    detail = "; ".join(_sentence(fault) for fault in faults)
    document = {"title": "Invalid request", "status": 422, "detail": f"{detail}.", "faults": faults}
    return problem_response(
        request, Problem.model_validate({"type": "urn:framesense:problem:invalid-request", **document})
    )


def in_words(fault: Mapping[str, Any]) -> str:
    """Say what is wrong with a value, given pydantic's own description of the fault; without a full stop."""
    kind, context, value = str(fault["type"]), fault.get("ctx"), fault.get("input")
    if context is None:
        context = {}
    stem = kind.removesuffix("_parsing").removesuffix("_type").removesuffix("_from_float")
    if kind == "missing":
        return "It is missing"
    if kind == "json_invalid":
        return f"It is not JSON: {context.get('error', 'it cannot be read')}"
    if kind == "value_error":
        return str(context.get("error", fault["msg"]))
    if kind in ("enum", "literal_error"):
        return f"{_shown(value)} is not known here; it may be {context['expected']}"
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{_shown(value)} is out of range; it must be {words} {context[name]:g}"
    if kind == "string_too_long":
        return f"The text is too long; at most {context['max_length']} letters are taken"
    if kind == "string_too_short":
        return "The text is empty" if not value else f"The text is too short; {context['min_length']} letters at least"
    if stem in _KINDS:
        return f"{_shown(value)} is not {_KINDS[stem]}"
    return str(fault["msg"])


def _fault(request: Request, fault: Mapping[str, Any]) -> dict[str, str]:
    place, *path = fault["loc"]
    if fault["type"] == "json_invalid":  # its place is a position in the text
        position = f", at character {path[0] + 1}" if path and isinstance(path[0], int) else ""
        return {"in": str(place), "parameter": "", "message": encodable(in_words(fault) + position)}
    if fault["type"] == "extra_forbidden":
        where, file_fields = "query" if place == "query" else "body", fault.get("ctx", {}).get("file_fields", "")
        message = DeclaredNames.of(request).describe_unknown(str(path[-1]), where, file_fields=file_fields)
    else:
        message = in_words(fault)
    return {"in": str(place), "parameter": encodable(_name(place, path)), "message": encodable(message)}


def _name(place: object, path: list[str | int]) -> str:
    """Write where in a request a value is: ``ranges[0].end``; of a query, a header and an address the name alone."""
    name = ""
    for part in path if place not in ("query", "header", "path") else path[:1]:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            name += f".{part}" if name else part
    return name


def _without_repetition(faults: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Join what the alternatives that a parameter has say of one value: a number, or "auto"."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for fault in faults:
        earlier = found.setdefault((fault["in"], fault["parameter"]), fault)
        if fault["message"] not in earlier["message"]:
            earlier["message"] += f", and {fault['message']}"
    return list(found.values())


def _sentence(fault: dict[str, str]) -> str:
    name = fault["parameter"]
    if fault["in"] == "path":
        name = f"{name}, in the address"
    return f"{name or fault['in']}: {fault['message']}"


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    text = value if isinstance(value, str) else repr(value)
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return repr(short) if isinstance(value, str) else short
