"""Serve ``POST /edits``, which answers a form with an edit's events as they happen, and ``GET /capabilities``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from editor.dependencies import EditorDependencies
from editor.edits.edit_queue import QueueClosed
from editor.edits.editing import EventTask
from editor.models.base import Cancelled
from framesense.http.disconnects import unless_disconnected
from framesense.http.problems import ProblemError
from framesense.http.uploads import read_named_form
from framesense.schemas.edits import EditEvent, EditorCapabilities, EditParameters, FailureEvent, ImageEvent
from framesense.schemas.problems import problem_responses
from framesense.serving.unavailable import stopping

log = logging.getLogger(__name__)

EVENTS = "application/x-ndjson"
FIELDS = ("image", "mask")
_FILE = {"type": "string", "format": "binary"}
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["parameters"],
                    "properties": {
                        "parameters": {"type": "string", "description": "EditParameters, as JSON"},
                        "image": _FILE | {"description": "the photo; none where the task is generate"},
                        "mask": _FILE | {"description": "white where the photo may change"},
                    },
                }
            }
        },
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An EditEvent a line, as they happen: steps, a picture, steps, a picture, … Empty lines are "
        "signs of life. Closing the connection cancels the edit.",
        "content": {EVENTS: {"schema": {"type": "string"}}},
    }
}


class EventStream(StreamingResponse):
    """Sends lines, and closes what they come from however the sending ends: also where it never began."""

    def __init__(self, lines: AsyncIterator[bytes], resources: AsyncExitStack) -> None:
        super().__init__(lines, media_type=EVENTS, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(self._resources.aclose())


def router(dependencies: EditorDependencies) -> APIRouter:
    routes = APIRouter(tags=["edits"])

    @routes.post(
        "/edits",
        summary="Edit a photo; its steps and pictures come as they happen",
        response_class=Response,
        responses={**ANSWER, **problem_responses(400, 413, 415, 422, 503)},
        openapi_extra=FORM,
    )
    async def edit(request: Request) -> Response:
        form = await read_named_form(request, dependencies.files, fields=FIELDS)
        parameters = _parameters(form.values)
        image, mask = form.file("image"), form.file("mask")
        async with AsyncExitStack() as resources:
            model = await resources.enter_async_context(dependencies.runtime.use())
            task = await unless_disconnected(request, model.submit(parameters, image, mask))
            resources.callback(model.cancel, task)
            lines = _lines(task, parameters.images, dependencies, getattr(request.state, "request_id", None))
            # A hang-up in the middle of a sending leaves it suspended, to be ended whenever garbage is collected.
            resources.push_async_callback(lines.aclose)
            return EventStream(lines, resources.pop_all())

    @routes.get("/capabilities", summary="What the editor's model can do", responses=problem_responses(503))
    async def capabilities() -> EditorCapabilities:
        async with dependencies.runtime.use() as model:
            return model.capabilities

    return routes


def _parameters(values: dict[str, list[str]]) -> EditParameters:
    """Read the parameters. Raises ProblemError 422 without any, RequestValidationError for any that cannot be read."""
    given = values.get("parameters", [])
    if len(given) != 1:
        detail = 'Send the edit\'s parameters as JSON in the field \'parameters\': {"prompt": "a bedroom at night"}.'
        raise ProblemError(422, "no-parameters", "No parameters", detail)
    try:
        return EditParameters.model_validate_json(given[0])
    except ValidationError as error:
        raise RequestValidationError(
            [{**fault, "loc": ("parameters", *fault["loc"])} for fault in error.errors()]
        ) from error


async def _lines(
    task: EventTask, images: int, dependencies: EditorDependencies, request_id: str | None
) -> AsyncGenerator[bytes, None]:
    """Yield the events as lines. A caller who hangs up ends this generator from outside: before the last of the
    ``images`` that cancels the edit.
    """
    outcome = "cancelled"
    try:
        async for event in task.events(dependencies.keep_alive):
            images -= isinstance(event, ImageEvent)
            if not images:
                outcome = "done"
            yield b"\n" if event is None else _line(event)
    except Cancelled:
        return
    except Exception as error:
        outcome = "failed"
        yield _line(FailureEvent(problem=_problem_of(error).document(request_id)))
    finally:
        dependencies.metrics.ended(outcome)


def _line(event: EditEvent) -> bytes:
    return event.model_dump_json(exclude_none=True).encode() + b"\n"


def _problem_of(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, QueueClosed):
        return stopping("editor")
    log.error("an edit failed unexpectedly", exc_info=error)
    detail = f"The edit failed in a way it should not have ({type(error).__name__}). The editor's log has the reason."
    return ProblemError(500, "edit-failed", "Edit failed", detail)
