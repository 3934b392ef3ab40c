"""Fields of a multipart form: how they are read, and how OpenAPI shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from framesense.http.problems import ProblemError
from framesense.schemas.tags import DEFAULT_TEMPLATE, TagExtra, ThresholdOn
from tagger.labels.validation import read_texts

FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
TEXTS = {"type": "array", "items": {"type": "string"}}
HOW_TO_LIST = "the field repeated; or once, as a JSON array, one a line, or commas between"
LABELS = TEXTS | {"description": f"labels: {HOW_TO_LIST}", "example": ["kitchen", "bathroom"]}
TEMPLATES = TEXTS | {
    "description": "repeat the field for several, which are averaged; each holds {label}",
    "example": [DEFAULT_TEMPLATE],
}


def form_body(required: Sequence[str], **fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``openapi_extra=`` of a route that reads a multipart form itself."""
    schema = {"type": "object", "required": list(required), "properties": fields}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


class TagOptions(BaseModel):
    """Hold the single-valued fields of ``POST /tags``."""

    label_set: str | None = None
    threshold: float | None = Field(default=None, ge=-1, le=1, allow_inf_nan=False)
    threshold_on: ThresholdOn | None = None
    top_k: int | None = Field(default=None, ge=1, le=10_000)


_OPTIONS = TypeAdapter(TagOptions)


def tag_options(values: Mapping[str, Sequence[str]]) -> TagOptions:
    """Read the single-valued fields. Raises ProblemError 422 with every one that cannot be read."""
    given = {name: values[name][-1] for name in TagOptions.model_fields if values.get(name) and values[name][-1] != ""}
    try:
        return _OPTIONS.validate_python(given)
    except ValidationError as error:
        detail = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ProblemError(422, "invalid-request", "Invalid request", detail) from error


def extras(values: Mapping[str, Sequence[str]]) -> frozenset[TagExtra]:
    """Read the field ``return``: comma-separated, repeated or both. Raises ProblemError 422 for an unknown one."""
    names = {name.strip() for value in values.get("return", []) for name in value.split(",")} - {""}
    if unknown := sorted(names - set(TagExtra)):
        detail = f"return: {', '.join(unknown)} cannot be returned; {', '.join(TagExtra)} can."
        raise ProblemError(422, "invalid-request", "Invalid request", detail)
    return frozenset(TagExtra(name) for name in names)


def templates(values: Mapping[str, Sequence[str]]) -> list[str]:
    """Read the field ``template``: repeated; a JSON array in one field too.

    Never split at commas: a template may hold some.
    """
    given = list(values.get("template", [])) + list(values.get("templates", []))
    listed = len(given) == 1 and given[0].lstrip("\ufeff \t\r\n").startswith("[")
    return read_texts(given) if listed else given
