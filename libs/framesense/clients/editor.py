"""The editor's clients: a blocking one for the worker, which follows an edit step by step, and an async one for the
gateway, which wants to know what the editor can do.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing

import httpx
from pydantic import TypeAdapter, ValidationError

from framesense.clients.base import AsyncServiceClient, ServiceClient, ServiceUnavailable
from framesense.http.problems import ProblemError
from framesense.http.uploads import Upload
from framesense.schemas.edits import (
    EditEvent,
    EditorCapabilities,
    EditParameters,
    FailureEvent,
    ImageEvent,
    StepEvent,
)

_EVENT: TypeAdapter[EditEvent] = TypeAdapter(EditEvent)


class EditorUnavailable(ServiceUnavailable):
    """The editor gave no answer, however often it was asked; the text says what it said last."""


class EditInterrupted(EditorUnavailable):
    """The editor's answer broke off in the middle: it was stopped, or killed.

    What it had not sent may be asked for again: the pictures still missing, with their seeds.
    """


class EditorClient(ServiceClient):
    """The editor's blocking client; see :class:`framesense.clients.base.ServiceClient` for its arguments.

    ``timeout`` is how many seconds the editor may be silent, which sends a sign of life every second or so also while
    an edit waits for its turn.
    """

    service = "editor"
    unavailable = EditorUnavailable

    def edit(
        self,
        parameters: EditParameters,
        *,
        image: Upload | None = None,
        mask: Upload | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> Generator[StepEvent | ImageEvent, None, None]:
        """Yield an edit's events as they happen: steps, a picture, …, one for each of ``parameters.images``.

        Closing the iterator (or an error of whoever iterates) closes the connection, upon which the editor stops. A
        busy or absent editor is asked again as long as nothing has come of it.

        Args:
            image, mask: files as they were uploaded; no image where the task is GENERATE.
            alive: called whenever the editor gives a sign of life, about every second; raise from it to give up.

        Raises EditorUnavailable after the last attempt, EditInterrupted where the answer broke off, and ProblemError
        for what the editor refuses, or an edit that failed, with its own words.
        """
        done = 0
        with closing(self._send("POST", "/edits", stream=True, files=_parts(parameters, image, mask))) as answer:
            for event in _events(answer.iter_lines(), alive):
                if isinstance(event, FailureEvent):
                    raise _error_of(event)
                yield event
                done += isinstance(event, ImageEvent)
                if done == parameters.images:
                    return
        raise EditInterrupted(f"the editor's answer ended after {done} of {parameters.images} pictures")

    def capabilities(self) -> EditorCapabilities:
        """Ask what the editor's model can do; raises EditorUnavailable."""
        return EditorCapabilities.model_validate_json(self._request("GET", "/capabilities"))


class AsyncEditorClient(AsyncServiceClient):
    """See :class:`framesense.clients.base.AsyncServiceClient`."""

    service = "editor"

    async def capabilities(self, *, request_id: str | None = None) -> EditorCapabilities:
        """Ask what the editor's model can do.

        Raises ProblemError: 503 while it does not answer or has no model.
        """
        answer = await self._request("GET", "/capabilities", request_id)
        return EditorCapabilities.model_validate_json(answer.content())


def _parts(
    parameters: EditParameters, image: Upload | None, mask: Upload | None
) -> list[tuple[str, tuple[str | None, bytes, str]]]:
    asked = parameters.model_dump_json(exclude_unset=True).encode()
    parts: list[tuple[str, tuple[str | None, bytes, str]]] = [("parameters", (None, asked, "application/json"))]
    for name, file in (("image", image), ("mask", mask)):
        if file is not None:
            parts.append((name, (file.filename, file.content, file.media_type or "application/octet-stream")))
    return parts


def _events(lines: Iterator[str], alive: Callable[[], None]) -> Iterator[EditEvent]:
    """Yield the events of an answer's lines; empty lines only say that the editor lives."""
    try:
        for line in lines:
            alive()
            if line.strip():
                yield _EVENT.validate_json(line)
    except (httpx.TransportError, ValidationError) as error:
        raise EditInterrupted(f"the editor's answer broke off ({type(error).__name__}: {error})") from error


def _error_of(failure: FailureEvent) -> Exception:
    problem = ProblemError.of(failure.problem)
    return EditInterrupted(problem.detail) if problem.status == 503 else problem  # stopping: another will do it
