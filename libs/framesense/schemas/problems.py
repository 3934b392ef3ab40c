"""Errors on the wire: RFC 9457 problem documents, served as ``application/problem+json``."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong, in words a person can act on."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank", examples=["urn:framesense:problem:unsupported-image"])
    title: str = Field(description="the kind of problem, the same for every occurrence", examples=["Unsupported image"])
    status: int = Field(ge=400, le=599, examples=[415])
    detail: str = Field(description="what happened this time and what to do about it")
    request_id: str | None = Field(default=None, description="find this in the logs")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Build the ``responses=`` argument of a route that answers problem documents with these statuses."""
    # By reference: FastAPI would file a ``model`` under the route's own media type. ``/ready`` of every service has it.
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
