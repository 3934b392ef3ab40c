"""What schemathesis is told beside the API's description: how a tus client writes bytes, and which jobs there are.

``SCHEMATHESIS_HOOKS`` names this module; it runs in schemathesis's own process.
"""

import os
import random
from typing import Any

import schemathesis
from schemathesis.specs.openapi import negative
from schemathesis.transport.serialization import Binary, contains_binary

from tests.support.photos import photo

JOBS = os.environ.get("FUZZ_JOBS", "").split(",")
"""Ids of jobs of several kinds, which random ids would never hit."""
PHOTO_FIELDS = ("image", "images", "photos", "mask")
PHOTO = photo("red", size=(64, 64))
STAYS = ("DELETE",)
"""Methods that take a random id always: the jobs are there for all the others."""


def _holds_binary(value: Any) -> bool:
    """Tell whether bytes are in a value, also where they are the name of a form's field.

    Of names schemathesis 4.32.5 does not think, and its validator raises "Unsupported type: 'Binary'".
    """
    if isinstance(value, dict):
        return any(_holds_binary(one) for item in value.items() for one in item)
    return any(map(_holds_binary, value)) if isinstance(value, list) else contains_binary(value)


negative.contains_binary = _holds_binary


@schemathesis.serializer("application/offset+octet-stream")
def tus_bytes(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Send bytes as they are, and anything else as text."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Send photos in most fields for photos: random bytes would never come further than the decoder."""
    if not isinstance(body, dict) or not contains_binary(body):
        return body
    real = random.Random(str(body)).random() < 0.7
    return {name: _photos(value) if real and name in PHOTO_FIELDS else value for name, value in body.items()}


def _photos(value: Any) -> Any:
    if isinstance(value, list):
        return [_photos(one) for one in value]
    return Binary(PHOTO) if contains_binary(value) else value


@schemathesis.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """Name a job that there is in most requests, chosen by what else the address holds: a run can be repeated."""
    if path_parameters and "job_id" in path_parameters and context.operation.method.upper() not in STAYS:
        chosen = random.Random(str(sorted(path_parameters.items())))
        if chosen.random() < 0.8:
            return {**path_parameters, "job_id": chosen.choice(JOBS)}
    return path_parameters
